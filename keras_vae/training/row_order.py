"""RowOrder: the order in which a model takes the rows of its training data."""

import math
import random

import keras
import numpy as np

from keras_vae import backend
from keras_vae.training.checks import n_training_rows
from keras_vae.training.data import in_memory
from keras_vae.training.lazy_rows import LazyRows


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

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.order = self.model.row_order.next(len(self.batches.order))


class Batches(keras.utils.PyDataset):
    """Batches of arrays or `LazyRows`, with the rows in the order that `order` holds."""

    def __init__(self, arrays: tuple, batch_size: int, start: int = 0, stop: int | None = None):
        super().__init__()
        self.arrays = tuple(a if _is_lazy(a) else backend.as_floatx(a) for a in arrays)
        self.batch_size = batch_size
        self.order = np.arange(len(arrays[0]))[start:stop]

    def __len__(self):
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        # What is x and target at once is read once.
        read = {id(array): array for array in self.arrays}
        read = {key: backend.as_floatx(array[rows]) for key, array in read.items()}
        return tuple(read[id(array)] for array in self.arrays)


def _is_lazy(array):
    return isinstance(array, LazyRows)


def for_keras(arrays: tuple, batch_size: int | None) -> tuple:
    """Returns x, y and sample weights as Keras takes them: `LazyRows` as batches."""
    if not any(map(_is_lazy, arrays)):
        return arrays
    present = tuple(array for array in arrays if array is not None)
    return Batches(present, batch_size or 32), None, None


def fit(vae, x, y, batch_size=None, sample_weight=None, shuffle=True, **options):
    """Runs `keras.Model.fit`, on arrays in the order of the model's `RowOrder`."""
    arrays = tuple(array for array in (x, y, sample_weight) if array is not None)
    if any(map(_is_lazy, arrays)):
        return _fit_lazily(vae, arrays, batch_size or 32, shuffle, **options)
    if shuffle is not True or not can_be_ordered(vae, arrays, options):
        data = {"x": x, "y": y, "sample_weight": sample_weight, "batch_size": batch_size}
        return keras.Model.fit(vae, **data, shuffle=shuffle, **options)
    batch_size = batch_size or 32
    options["validation_batch_size"] = options.get("validation_batch_size") or batch_size
    split = options.pop("validation_split", 0.0)
    if split and options.get("validation_data") is None:
        n = n_training_rows(x, split)
        options["validation_data"] = tuple(array[n:] for array in arrays)
        arrays = tuple(array[:n] for array in arrays)
    batches = Batches(arrays, batch_size)
    callbacks = [NextOrder(batches), *keras.tree.flatten(options.pop("callbacks", None) or [])]
    return keras.Model.fit(vae, batches, shuffle=False, callbacks=callbacks, **options)


def _fit_lazily(vae, arrays, batch_size, shuffle, **options):
    n, split = None, options.pop("validation_split", 0.0)
    if split and options.get("validation_data") is None:
        n = n_training_rows(arrays[0], split)
        size = options.get("validation_batch_size") or batch_size
        options["validation_data"] = (Batches(arrays, size, start=n),)
    batches = Batches(arrays, batch_size, stop=n)
    callbacks = options.pop("callbacks", None)
    one_pass = options.get("steps_per_epoch") is None
    if shuffle is True and one_pass and not isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = [NextOrder(batches), *keras.tree.flatten(callbacks or [])]
        shuffle = False
    # Otherwise Keras draws the order of the batches.
    return keras.Model.fit(vae, batches, shuffle=bool(shuffle), callbacks=callbacks, **options)


def can_be_ordered(vae, arrays: tuple, options: dict) -> bool:
    """Returns whether `fit` on these arrays with these other arguments can choose the order."""
    return (
        all(map(in_memory, arrays))
        and all(options.get(name) is None for name in ("class_weight", "steps_per_epoch"))
        and not isinstance(options.get("callbacks"), keras.callbacks.CallbackList)
        and not backend.is_distributed(vae)
    )
