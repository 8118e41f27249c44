"""RowOrder: the order in which a model takes the rows of its training data."""

import math
import random
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_vae import backend
from keras_vae.reading.batch import packed
from keras_vae.reading.lazy_rows import LazyRows
from keras_vae.training.data import TrainingData
from keras_vae.training.fit_plan import FitPlan
from keras_vae.training.shares import Share, packed_share, with_weights


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

    def next(self, n: int, balance: "Balance | None" = None) -> np.ndarray:
        """Returns the numbers 0 to n - 1 in the order of the next epoch.

        Args:
            n: how many rows there are.
            balance: how many of each batch are labelled; these then come as often as
                that takes, the others once.
        """
        rng = np.random.default_rng((self.seed, self.epochs))
        self.epochs += 1
        if balance is not None:
            return balance.order(rng, n)
        # As `rng.permutation(n)`, in half the memory: 4 GB for 1e9 rows.
        order = np.arange(n, dtype="int32" if n < 2**31 else "int64")
        rng.shuffle(order)
        return order

    @property
    def state(self) -> np.ndarray:
        """The seed and the number of epochs."""
        return np.array([self.seed, self.epochs])

    @state.setter
    def state(self, value):
        self.seed, self.epochs = map(int, value)


class Balance(NamedTuple):
    """How labelled rows come into each batch.

    Attributes:
        labels: the class of each row, -1 where it is unknown.
        per_batch: how many rows of a batch are labelled.
        batch_size: how many rows it has.
    """

    labels: np.ndarray
    per_batch: int
    batch_size: int

    @classmethod
    def of(cls, data: TrainingData, plan: FitPlan) -> "Balance | None":
        """Returns that of a plan, if it has one."""
        if plan.labelled_per_batch is None:
            return None
        return cls(data.beside["labels"], plan.labelled_per_batch, plan.rows_per_step)

    def n_rows(self, n: int) -> int:
        """Returns how many rows an epoch takes of the first n rows."""
        n_others = int(np.count_nonzero(self.labels[:n] < 0))
        n_batches = max(1, math.ceil(n_others / (self.batch_size - self.per_batch)))
        return n_others + n_batches * self.per_batch

    def order(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Returns the rows of an epoch, batch by batch."""
        known = self.labels[:n] >= 0
        labelled, others = (rng.permutation(np.flatnonzero(rows)) for rows in (known, ~known))
        step = self.batch_size - self.per_batch
        parts = [others[i : i + step] for i in range(0, len(others), step)] or [others]
        # Each pass over the labelled rows has an order of its own.
        n_passes = math.ceil(len(parts) * self.per_batch / len(labelled))
        passes = [rng.permutation(labelled) for _ in range(n_passes)]
        chosen = np.concatenate(passes)[: len(parts) * self.per_batch]
        chosen = chosen.reshape(len(parts), self.per_batch)
        return np.concatenate([np.append(*pair) for pair in zip(chosen, parts, strict=True)])


class NextOrder(keras.callbacks.Callback):
    """Gives the batches of an epoch their order."""

    def __init__(self, batches, balance):
        super().__init__()
        self.batches, self.balance = batches, balance
        self.n = len(batches.order)
        if balance is not None:
            batches.order = balance.order(np.random.default_rng(0), self.n)

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.batches.order = self.model.row_order.next(self.n, self.balance)


class Batches(keras.utils.PyDataset):
    """Batches of arrays or `LazyRows`, with the rows in the order that `order` holds."""

    def __init__(
        self,
        data: TrainingData,
        batch_size: int,
        start: int = 0,
        stop: int | None = None,
        share: Share | None = None,
    ):
        super().__init__()
        self.share = share
        data = data if share is None else with_weights(data)
        self.names = data.names
        self.arrays = tuple(a if _is_lazy(a) else backend.as_floatx(a) for a in data.arrays)
        self.batch_size = batch_size
        self.order = np.arange(len(data.x))[start:stop]

    def __len__(self):
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        if self.share is None:
            return packed(self.names, self._read(rows))
        rows, is_filler = self.share.rows(rows, self.batch_size)
        return packed_share(self.names, self._read(rows), is_filler)

    def _read(self, rows):
        read: dict[int, np.ndarray] = {}
        arrays = []
        for array in self.arrays:
            # What is x and target at once is read once, and not given twice: TensorFlow takes
            # the memory as it is, and may write into it.
            known = read.get(id(array))
            taken = backend.as_floatx(array[rows]) if known is None else known.copy()
            read[id(array)] = taken
            arrays.append(taken)
        return arrays


class NumberedInOrder(keras.utils.PyDataset):
    """The batches of a user's PyDataset in the order that `order` holds."""

    def __init__(self, dataset: keras.utils.PyDataset):
        super().__init__(workers=dataset.workers, max_queue_size=dataset.max_queue_size)
        self.dataset = dataset
        self.order = np.arange(dataset.num_batches)
        self.on_epoch_begin, self.on_epoch_end = dataset.on_epoch_begin, dataset.on_epoch_end

    def __len__(self):
        return len(self.order)

    def __getitem__(self, index):
        return self.dataset[int(self.order[index])]


def _is_lazy(array):
    return isinstance(array, LazyRows)


def for_keras(vae, data: TrainingData, batch_size: int) -> tuple:
    """Returns x, y and sample weights as Keras takes them: as batches what is lazy or shared."""
    if not data.has_rows:
        return data.x, None, None
    share = Share.of(vae, data, batch_size, len(data.x))
    if not data.is_lazy and share is None:
        return keras.utils.unpack_x_y_sample_weight(data.part())
    return Batches(data, batch_size, share=share), None, None


def fit(vae, data: TrainingData, plan: FitPlan) -> keras.callbacks.History:
    """Runs `keras.Model.fit`, on arrays in the order of the model's `RowOrder`."""
    changed: dict[str, Any] = {"validation_split": 0.0}
    if plan.validation_data is not None:
        size = plan.rows_per_validation_step
        changed["validation_data"] = for_keras(vae, plan.validation_data, size)
    is_shared = data.has_rows and backend.shares(vae) is not None
    ordered = plan.steps_per_epoch is None and not _is_list(plan.callbacks)
    if _is_numbered(data.x) and plan.shuffle is True and ordered:
        batches = NumberedInOrder(data.x)
        options = plan.for_keras(**changed, **_in_order(plan, batches))
        with backend.around_keras(vae, data.first_row(), is_shared):
            return keras.Model.fit(vae, batches, **options)
    can_shuffle = plan.shuffle is True and can_be_ordered(vae, data, plan)
    if not (data.is_lazy or is_shared or can_shuffle):
        changed["validation_split"] = plan.validation_split
        x, y, weights = for_keras(vae, data, plan.rows_per_step)
        with backend.around_keras(vae, data.first_row(), is_shared):
            return keras.Model.fit(vae, x, y, sample_weight=weights, **plan.for_keras(**changed))
    n = None
    if plan.splits:
        n = data.n_training_rows(plan.validation_split)
        size = plan.rows_per_validation_step
        share = Share.of(vae, data, size, len(data.x) - n)
        held_out = Batches(data, size, start=n, share=share)
        changed["validation_data"] = (
            (held_out,) if data.is_lazy or is_shared else data.part(start=n)
        )
    n_rows = data.n_training_rows(plan.validation_split if plan.splits else 0.0)
    share = Share.of(vae, data, plan.rows_per_step, n_rows)
    batches = Batches(data, plan.rows_per_step, stop=n, share=share)
    if plan.shuffle and not ordered and backend.process(vae)[1] > 1:
        raise ValueError(
            "With several processes, steps_per_epoch goes with shuffle=False: Keras would draw "
            "another order of the batches in each."
        )
    if plan.shuffle is True and ordered:
        changed |= _in_order(plan, batches, Balance.of(data, plan))
    # Otherwise Keras draws the order of the batches.
    changed |= {"batch_size": None, "validation_batch_size": plan.rows_per_validation_step}
    with backend.around_keras(vae, data.first_row(), is_shared):
        return keras.Model.fit(vae, batches, **plan.for_keras(**changed))


def _in_order(plan, batches, balance=None):
    callbacks = [NextOrder(batches, balance), *keras.tree.flatten(plan.callbacks or [])]
    return {"shuffle": False, "callbacks": callbacks}


def _is_numbered(x):
    is_one = isinstance(x, keras.utils.PyDataset) and not x.use_multiprocessing
    return is_one and x.num_batches is not None


def can_be_ordered(vae, data: TrainingData, plan: FitPlan) -> bool:
    """Returns whether `fit` on arrays can choose the order of the rows."""
    return data.in_memory and plan.steps_per_epoch is None and not _is_list(plan.callbacks)


def _is_list(callbacks):
    return isinstance(callbacks, keras.callbacks.CallbackList)
