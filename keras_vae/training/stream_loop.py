"""StreamLoop: `fit` and `evaluate` on streams, many steps per compiled call.

A thread reads batches into one chunk of memory while the steps of the other are made. Keras
counts the calls, each over a chunk, and runs epochs, callbacks and validation.
"""

import math
import warnings

import keras
import numpy as np

from keras_vae import backend
from keras_vae.backend.keras_internals import Calls
from keras_vae.training.data import TrainingData
from keras_vae.training.device_loop import steps_per_call
from keras_vae.training.fit_plan import FitPlan
from keras_vae.training.sources import Rows, Source, of_stream
from keras_vae.training.stream_reader import Chunk, StreamReader

# Keras's own words.
_RAN_OUT = (
    "Your input ran out of data; interrupting training. Make sure that your dataset or generator "
    "can generate at least `steps_per_epoch * epochs` batches. You may need to use the `.repeat()` "
    "function when building your dataset."
)


class StreamLoop:
    """Stands in for the function with which Keras makes one step.

    Args:
        vae: the model.
        compiled: the two functions of `backend.compiled_loop`.
        source: what brings the batches.
        like: the first of them, arrays by name.
        steps_per_call: steps of a call, which lie in memory together, twice.
        n_steps: steps of an epoch where that is not all there is.
        goes_on: whether an epoch of `n_steps` begins where the one before it ended.
    """

    def __init__(
        self,
        vae: keras.Model,
        compiled: tuple,
        source: Source,
        like: dict,
        steps_per_call: int,
        n_steps: int | None = None,
        goes_on: bool = False,
    ):
        self.vae, self.source = vae, source
        self.many, self.one = compiled
        self.n_steps = n_steps or source.n_batches
        self.goes_on = goes_on and n_steps is not None
        self.n_calls = None if self.n_steps is None else math.ceil(self.n_steps / steps_per_call)
        self.chunks = [Chunk(like, steps_per_call) for _ in range(2)]
        rows = np.arange(steps_per_call * self.chunks[0].batch_size, dtype="int32")
        self.rows = rows.reshape(steps_per_call, -1)
        self.batches = self.reader = self.chunk = self.error = self.logs = None
        self.n_seen = self.n_calls_made = self.n_opened = 0

    @property
    def calls(self) -> Calls:
        """What Keras iterates over in place of the data."""
        begin, end, numbers = self._begin_epoch, self._end_epoch, backend.call_numbers(1)
        return Calls(self.n_calls, begin, end, self._read, numbers)

    def _begin_epoch(self):
        self.source.begin_epoch()
        if self.batches is None:
            self.batches, self.n_opened = self.source.open(), 0
        self.n_seen = self.n_calls_made = 0
        self.reader = StreamReader(self.batches, self.chunks, self.n_steps)
        self.reader.start()

    def _end_epoch(self):
        self.close()
        is_used_up = self.n_opened == self.source.n_batches
        if is_used_up and not self.goes_on:
            self.source.use_up()
        if is_used_up or not self.goes_on:
            self.batches, self.n_opened = None, 0
        self.source.end_epoch()

    def close(self) -> None:
        """Stops to read."""
        if self.reader is not None:
            self.reader.close()
            self.reader = None

    def __call__(self, *args):
        """Takes JAX's state, if any, and an iterator; returns what the last step does."""
        *state, _ = args
        if self.chunk is None:
            self._read()
        chunk, self.chunk = self.chunk, None
        if self.logs is not None:
            backend.wait_for(self.logs)  # so that few chunks are on the device
        for part in chunk.parts:
            result = self._steps(state, chunk, part)
            state = [result[1]] if state else []
        self.logs = result[0] if state else result
        self.n_seen += chunk.n_batches
        self.n_opened += chunk.n_batches
        self.n_calls_made += 1
        self.reader.give_back(chunk)
        if self.n_calls_made == self.n_calls and self.n_seen < self.n_steps and not self.error:
            warnings.warn(_RAN_OUT, stacklevel=2)
            self._note_end()
        return result

    def _read(self):
        """Takes what was read for a call, or ends the epoch."""
        chunk, self.error = self.reader.next()
        if chunk is None or not chunk.n_batches:
            self.raise_error()
            self._note_end()
            raise StopIteration
        self.chunk = chunk

    def _steps(self, state, chunk, part):
        if isinstance(part, dict):
            rows = np.arange(len(next(iter(part.values()))), dtype="int32")
            return self.one(*state, backend.on_device(tuple(part.values())), rows)
        arrays = tuple(chunk.arrays.values())
        if not backend.is_cpu():
            # As the device may still read what is filled anew.
            arrays = backend.on_device(tuple(array.copy() for array in arrays))
        return self.many(*state, arrays, self.rows[part.start : part.stop], len(self.rows))

    def _note_end(self):
        self.batches = None
        if self.goes_on and self.source.opens_once:
            self.vae.stop_training = True  # there is nothing more for another epoch

    def raise_error(self) -> None:
        """Raises the error with which the source ended, if it did, in the user's own words."""
        error, self.error = self.error, None
        if error is not None:
            raise error


def reads(data: TrainingData, n_epochs: int, n_steps: int | None) -> bool:
    """Returns whether a loop reads data that lies not in memory as Keras's own loop would.

    Args:
        data: the data.
        n_epochs: how many epochs it serves.
        n_steps: steps of each, `None` for all.
    """
    if data.has_rows:
        return not data.in_memory and n_steps is None
    if isinstance(data.x, keras.utils.PyDataset) and data.x.use_multiprocessing:
        return False
    # Keras gives the first two batches of a generator again where it begins anew.
    return n_epochs == 1 or n_steps is not None or not of_stream(data.name, data.x).opens_once


def of_training_data(vae, data: TrainingData, plan: FitPlan) -> StreamLoop:
    """Returns the loop of a model's training steps."""
    if data.has_rows:
        n = data.n_training_rows(plan.validation_split if plan.splits else 0.0)
        order = (lambda: vae.row_order.next(n)) if plan.shuffle else (lambda: np.arange(n))
        rows = Rows(data.by_name(), plan.rows_per_step, n, order)
        return _loop(vae, "train", data, plan, rows)
    next_order = vae.row_order.next if plan.shuffle and plan.steps_per_epoch is None else None
    source = of_stream(data.name, data.x, next_order, bool(plan.shuffle))
    return _loop(vae, "train", data, plan, source, plan.steps_per_epoch)


def of_validation_data(vae, data: TrainingData, plan: FitPlan, start: int = 0) -> StreamLoop:
    """Returns the loop of a model's test steps, over the rows from `start` of what has rows."""
    if not data.has_rows:
        source = of_stream(data.name, data.x)
        return _loop(vae, "test", data, plan, source, plan.validation_steps)
    order = np.arange(start, len(data.x))
    rows = Rows(data.by_name(), plan.rows_per_validation_step, len(order), lambda: order)
    return _loop(vae, "test", data, plan, rows)


def _loop(vae, phase, data, plan, source, n_steps=None):
    first = data.first.by_name()
    if isinstance(source, Rows):
        first = {name: array[: source.batch_size] for name, array in source.arrays.items()}
    batch_size = len(first["x"])
    n_bytes = sum(array.nbytes for array in first.values())
    steps = n_steps or source.n_batches
    compiled = vae.compiled_loops(
        phase, batch_size, tuple(first), False, plan.epochs * (steps or 0)
    )
    per_call = steps_per_call(steps or 0, n_bytes)
    return StreamLoop(vae, compiled, source, first, per_call, n_steps, goes_on=phase == "train")
