"""RowOrder: the order in which a model takes the rows of its training data."""

import math
import random
from typing import Any

import keras
import numpy as np

from keras_vae import backend
from keras_vae.reading.batch import packed
from keras_vae.reading.lazy_rows import LazyRows
from keras_vae.training.data import TrainingData
from keras_vae.training.fit_plan import FitPlan


class RowOrder:
    """Draws an order of the rows for each epoch of a model's life.

    Keras draws orders from generators of the process, so that a run that goes on
    in another process takes other batches. The orders here follow from a seed
    and a count of epochs, which are saved with the weights.
    """

    def __init__(self):
        # Python's generator, which `keras.utils.set_random_seed` sets.
        self.seed = random.randrange(2**31)
        self.epochs = 0

    def next(self, n: int) -> np.ndarray:
        """Returns the numbers 0 to n - 1 in the order of the next epoch."""
        order = np.random.default_rng((self.seed, self.epochs)).permutation(n)
        self.epochs += 1
        return order

    @property
    def state(self) -> np.ndarray:
        """The seed and the number of epochs."""
        return np.array([self.seed, self.epochs])

    @state.setter
    def state(self, value):
        self.seed, self.epochs = map(int, value)


class NextOrder(keras.callbacks.Callback):
    """Gives the batches of an epoch their order."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.batches.order = self.model.row_order.next(len(self.batches.order))


class Batches(keras.utils.PyDataset):
    """Batches of arrays or `LazyRows`, with the rows in the order that `order` holds."""

    def __init__(
        self, data: TrainingData, batch_size: int, start: int = 0, stop: int | None = None
    ):
        super().__init__()
        self.names = data.names
        self.arrays = tuple(a if _is_lazy(a) else backend.as_floatx(a) for a in data.arrays)
        self.batch_size = batch_size
        self.order = np.arange(len(data.x))[start:stop]

    def __len__(self):
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        # What is x and target at once is read once.
        read = {id(array): array for array in self.arrays}
        read = {key: backend.as_floatx(array[rows]) for key, array in read.items()}
        return packed(self.names, (read[id(array)] for array in self.arrays))


def _is_lazy(array):
    return isinstance(array, LazyRows)


def for_keras(data: TrainingData, batch_size: int) -> tuple:
    """Returns x, y and sample weights as Keras takes them: `LazyRows` as batches."""
    if not data.has_rows:
        return data.x, None, None
    if not data.is_lazy:
        return keras.utils.unpack_x_y_sample_weight(data.part())
    return Batches(data, batch_size), None, None


def fit(vae, data: TrainingData, plan: FitPlan) -> keras.callbacks.History:
    """Runs `keras.Model.fit`, on arrays in the order of the model's `RowOrder`."""
    changed: dict[str, Any] = {"validation_split": 0.0}
    if plan.validation_data is not None:
        size = plan.rows_per_validation_step
        changed["validation_data"] = for_keras(plan.validation_data, size)
    if not data.is_lazy and (plan.shuffle is not True or not can_be_ordered(vae, data, plan)):
        changed["validation_split"] = plan.validation_split
        x, y, weights = for_keras(data, plan.rows_per_step)
        return keras.Model.fit(vae, x, y, sample_weight=weights, **plan.for_keras(**changed))
    n = None
    if plan.splits:
        n = data.n_training_rows(plan.validation_split)
        held_out = Batches(data, plan.rows_per_validation_step, start=n)
        changed["validation_data"] = (held_out,) if data.is_lazy else data.part(start=n)
    batches = Batches(data, plan.rows_per_step, stop=n)
    ordered = plan.steps_per_epoch is None and not _is_list(plan.callbacks)
    if plan.shuffle is True and ordered:
        callbacks = [NextOrder(batches), *keras.tree.flatten(plan.callbacks or [])]
        changed |= {"shuffle": False, "callbacks": callbacks}
    # Otherwise Keras draws the order of the batches.
    changed |= {"batch_size": None, "validation_batch_size": plan.rows_per_validation_step}
    return keras.Model.fit(vae, batches, **plan.for_keras(**changed))


def can_be_ordered(vae, data: TrainingData, plan: FitPlan) -> bool:
    """Returns whether `fit` on arrays can choose the order of the rows."""
    return (
        data.in_memory
        and plan.steps_per_epoch is None
        and not _is_list(plan.callbacks)
        and not backend.is_distributed(vae)
    )


def _is_list(callbacks):
    return isinstance(callbacks, keras.callbacks.CallbackList)
