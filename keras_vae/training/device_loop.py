"""DeviceLoop: `fit` and `evaluate` on arrays, many steps per compiled call.

Keras runs its own epochs, callbacks and validation, but over the numbers of the
calls in place of batches; what it takes for the function of one step makes the
steps of that call, on rows of the data, which lies on the device. The rows come in
the order of `RowOrder`, as in Keras's loop, so that the logs and all else are the same.
"""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple, Self

import keras
import numpy as np

from keras_vae import backend
from keras_vae.training import last_batch
from keras_vae.training.data import TrainingData
from keras_vae.training.fit_plan import FitPlan

# A call makes up to a tenth of an epoch, so that the progress bar moves, within these bounds.
_CALLS_PER_EPOCH, _MIN_STEPS, _MAX_STEPS = 10, 50, 200
# The rows of a call lie together on the device.
_MAX_BYTES = 2**26


class DeviceLoop:
    """Stands in for the function with which Keras makes one step.

    Args:
        compiled: the two functions of `backend.compiled_loop`.
        batch_size: rows of a step.
        data: a tuple of arrays on the device.
        n_rows: how many of their rows an epoch takes.
        orders: gives those rows, in their order, for each epoch.
        filler: a row of weight zero to fill the last batch up with, if there is one.
    """

    def __init__(
        self,
        compiled: tuple,
        batch_size: int,
        data: tuple,
        n_rows: int,
        orders: Iterator,
        filler: int | None = None,
    ):
        self.many, self.one = compiled
        self.batch_size = batch_size
        self.data = data
        self.orders = orders
        self.filler = filler
        self.n_steps = math.ceil(n_rows / batch_size)
        self.steps_per_call = steps_per_call(self.n_steps, batch_size * _row_bytes(data))
        self.n_calls = math.ceil(self.n_steps / self.steps_per_call)
        self.calls = backend.call_numbers(self.n_calls)
        self.n_seen = 0

    def __call__(self, *args):
        """Takes JAX's state, if any, and an iterator of call numbers; returns what a step does."""
        *state, iterator = args
        # A list of batches on torch.
        (number,) = keras.tree.flatten(next(iter(iterator)))
        number = int(np.squeeze(keras.ops.convert_to_numpy(number)))
        if number == 0:
            self.order = np.asarray(next(self.orders), "int32")
        size = self.steps_per_call * self.batch_size
        rows = self.order[number * size : (number + 1) * size]
        if self.filler is not None:
            missing = -len(rows) % self.batch_size
            rows = np.append(rows, np.full(missing, self.filler, "int32"))
        n_steps, n_rest = divmod(len(rows), self.batch_size)
        if n_steps:
            batches = rows[: len(rows) - n_rest].reshape(n_steps, self.batch_size)
            result = self.many(*state, self.data, batches, self.steps_per_call)
            state = [result[1]] if state else []
        if n_rest:
            result = self.one(*state, self.data, rows[-n_rest:])
        self.n_seen = min((number + 1) * self.steps_per_call, self.n_steps)
        return result

    def raise_error(self) -> None:
        """Nothing: arrays have no end of their own, see `StreamLoop`."""


def steps_per_call(n_steps: int, step_bytes: int) -> int:
    """Returns how many steps a call makes: one of few numbers, as some backends compile each."""
    steps = _MIN_STEPS
    while steps < _MAX_STEPS and 2 * steps * _CALLS_PER_EPOCH <= n_steps:
        steps *= 2
    return max(1, min(steps, _MAX_BYTES // step_bytes))


def _row_bytes(data):
    return sum(math.prod(array.shape[1:]) * array.dtype.itemsize for array in data)


class DeviceRows(NamedTuple):
    """Arrays on the device, the row that fills batches up, and whether it alone has a weight."""

    names: tuple
    arrays: tuple
    filler: int | None
    only_filled: bool

    @classmethod
    def of(cls, vae, data: TrainingData) -> Self:
        filler = len(data.x) if last_batch.is_filled(vae) else None
        rows = data.by_name() if filler is None else last_batch.with_row_of_weight_zero(data)
        only_filled = filler is not None and data.sample_weight is None
        return cls(tuple(rows), backend.on_device(tuple(rows.values())), filler, only_filled)


def of_rows(
    vae,
    phase: str,
    plan: FitPlan,
    rows: DeviceRows,
    start: int,
    stop: int,
    orders: Iterator | None = None,
) -> DeviceLoop:
    """Returns a loop over the rows from `start` to `stop`, in their order without `orders`."""
    is_training = phase == "train"
    batch_size = plan.rows_per_step if is_training else plan.rows_per_validation_step
    orders = orders or itertools.repeat(np.arange(start, stop))
    n_steps = plan.epochs * math.ceil((stop - start) / batch_size)
    compiled = vae.compiled_loops(phase, batch_size, rows.names, rows.only_filled, n_steps)
    return DeviceLoop(compiled, batch_size, rows.arrays, stop - start, orders, rows.filler)
