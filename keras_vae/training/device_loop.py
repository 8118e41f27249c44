"""DeviceLoop: `fit` and `evaluate` on arrays, many steps per compiled call.

Keras runs its own epochs, callbacks and validation, but over the numbers of the
calls in place of batches; what it takes for the function of one step makes the
steps of that call, on rows of the data, which lies on the device. The rows come in
the order of `RowOrder`, as in Keras's loop, so that the logs and all else are the same.
"""

import contextlib
import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple, Self

import keras
import numpy as np

from keras_vae import backend
from keras_vae.backend.keras_internals import flatten_layers, symbolic_build
from keras_vae.training import last_batch, policy, row_order
from keras_vae.training.data import TrainingData
from keras_vae.training.fit_plan import FitPlan
from keras_vae.training.step_callbacks import StepCallbacks, needs_each_batch

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
        self.steps_per_call = _steps_per_call(self.n_steps, batch_size * _row_bytes(data))
        self.n_calls = math.ceil(self.n_steps / self.steps_per_call)

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
        return result


def _steps_per_call(n_steps, step_bytes):
    """Returns one of few numbers, as some backends compile each."""
    steps = _MIN_STEPS
    while steps < _MAX_STEPS and 2 * steps * _CALLS_PER_EPOCH <= n_steps:
        steps *= 2
    return max(1, min(steps, _MAX_BYTES // step_bytes))


def _row_bytes(data):
    return sum(math.prod(array.shape[1:]) * array.dtype.itemsize for array in data)


def build(vae, data: TrainingData) -> None:
    """Makes what Keras makes of the first batch, which the loop shows it as row numbers."""
    if vae.compiled and data.in_memory and not backend.is_distributed(vae):
        symbolic_build(vae, data.part(stop=1))


def applies(vae, data: TrainingData, plan: FitPlan) -> bool:
    """Returns whether the loop does all that Keras's own loop would do."""
    return (
        vae.compiled
        and policy.uses_device_loop(vae)
        and row_order.can_be_ordered(vae, data, plan)
        and plan.validation_steps is None
        and plan.shuffle in (True, False)
        and keras.config.max_steps_per_epoch() is None
        and not needs_each_batch(plan.callbacks)
        # Keras would build the others from row numbers.
        and all(layer.built for layer in flatten_layers(vae))
        and sum(array.nbytes for array in data.arrays) <= backend.free_memory() / 2
    )


def fit(vae, data: TrainingData, plan: FitPlan) -> keras.callbacks.History:
    """Runs `keras.Model.fit`, over device loops where `applies`."""
    if not applies(vae, data, plan):
        return row_order.fit(vae, data, plan)
    filled = last_batch.is_filled(vae)
    rows, n, test_loop = _Rows.of(data, filled), len(data.x), None
    validation, validation_batch_size = plan.validation_data, plan.rows_per_validation_step
    if plan.splits:
        n = data.n_training_rows(plan.validation_split)
        test_loop = _loop(vae, "test", plan, rows, n, len(data.x))
    elif validation is not None and validation.in_memory:
        test_loop = _loop(vae, "test", plan, _Rows.of(validation, filled), 0, len(validation.x))
    elif validation is not None:
        validation = row_order.for_keras(validation, validation_batch_size)
    if test_loop:
        validation, validation_batch_size = (backend.call_numbers(test_loop.n_calls),), 1

    orders, n_rows = None, n
    if plan.shuffle:
        balance = row_order.Balance.of(data, plan)
        n_rows = n if balance is None else balance.n_rows(n)
        orders = (vae.row_order.next(n, balance) for _ in itertools.count())
    loop = _loop(vae, "train", plan, rows, 0, n_rows, orders)
    callbacks = _callbacks(vae, loop, plan, add_history=True)
    with _in_place_of_steps(vae, loop, test_loop):
        return keras.Model.fit(
            vae,
            backend.call_numbers(loop.n_calls),
            **plan.for_keras(
                batch_size=1,
                shuffle=False,
                validation_split=0.0,
                validation_data=validation,
                validation_batch_size=validation_batch_size,
                callbacks=callbacks,
            ),
        )


def evaluate(
    vae, data: TrainingData, plan: FitPlan, return_dict: bool = False
) -> float | list | dict:
    """Runs `keras.Model.evaluate`, over a device loop where `applies`.

    Args:
        vae: the VAE.
        data: what it is evaluated on.
        plan: batch size, verbosity and callbacks, and `validation_steps` for `steps`.
        return_dict: as for Keras.
    """
    options = {"verbose": plan.verbose, "callbacks": plan.callbacks, "return_dict": return_dict}
    if not applies(vae, data, plan):
        x, y, weights = row_order.for_keras(data, plan.rows_per_step)
        options |= {"sample_weight": weights, "steps": plan.validation_steps}
        return keras.Model.evaluate(vae, x, y, plan.batch_size, **options)
    rows = _Rows.of(data, last_batch.is_filled(vae))
    loop = _loop(vae, "test", plan, rows, 0, len(data.x))
    options["callbacks"] = _callbacks(vae, loop, plan)
    with _in_place_of_steps(vae, vae.train_function, loop):
        numbers = backend.call_numbers(loop.n_calls)
        return keras.Model.evaluate(vae, numbers, batch_size=1, **options)


class _Rows(NamedTuple):
    """Arrays on the device, the row that fills batches up, and whether it alone has a weight."""

    names: tuple
    arrays: tuple
    filler: int | None
    only_filled: bool

    @classmethod
    def of(cls, data, filled) -> Self:
        filler = len(data.x) if filled else None
        rows = data.by_name() if filler is None else last_batch.with_row_of_weight_zero(data)
        only_filled = filler is not None and data.sample_weight is None
        return cls(tuple(rows), backend.on_device(tuple(rows.values())), filler, only_filled)


def _loop(vae, phase, plan, rows, start, stop, orders=None):
    """Returns a loop over the rows from `start` to `stop`, in their order without `orders`."""
    is_training = phase == "train"
    batch_size = plan.rows_per_step if is_training else plan.rows_per_validation_step
    orders = orders or itertools.repeat(np.arange(start, stop))
    n_steps = plan.epochs * math.ceil((stop - start) / batch_size)
    compiled = vae.compiled_loops(phase, batch_size, rows.names, rows.only_filled, n_steps)
    return DeviceLoop(compiled, batch_size, rows.arrays, stop - start, orders, rows.filler)


def _callbacks(vae, loop, plan, add_history=False):
    return StepCallbacks(
        plan.callbacks,
        loop.steps_per_call,
        add_history=add_history,
        add_progbar=plan.verbose != 0,
        verbose=plan.verbose,
        epochs=plan.epochs,
        steps=loop.n_steps,
        model=vae,
    )


@contextlib.contextmanager
def _in_place_of_steps(vae, train_loop, test_loop):
    """Hands the loops to Keras, which makes a function of its own only where there is none."""
    own = vae.train_function, vae.test_function
    vae.train_function, vae.test_function = train_loop, test_loop or own[1]
    try:
        yield
    finally:
        vae.train_function, vae.test_function = own
