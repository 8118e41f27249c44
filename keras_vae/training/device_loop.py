"""DeviceLoop: `fit` and `evaluate` on arrays, many steps per compiled call.

Keras runs its own epochs, callbacks and validation, but over the numbers of the
calls in place of batches; what it takes for the function of one step makes the
steps of that call, on rows of the data, which lies on the device. The rows come in
the order of `RowOrder`, as in Keras's loop, so that the logs and all else are the same.
"""

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator

import keras
import numpy as np

from keras_vae import backend
from keras_vae.backend.keras_internals import flatten_layers, symbolic_build, traces_batches
from keras_vae.training import last_batch, policy, row_order
from keras_vae.training.checks import n_training_rows
from keras_vae.training.data import in_memory

_ENDS = ("begin", "end")
# A call makes up to a tenth of an epoch, so that the progress bar moves, within these bounds.
_CALLS_PER_EPOCH, _MIN_STEPS, _MAX_STEPS = 10, 50, 200
# The rows of a call lie together on the device.
_MAX_BYTES = 2**26
# Of each phase and size of a batch; those that were used last are kept.
_MAX_LOOPS = 4


class CompiledLoops:
    """The compiled loops of a model, of the sizes of a batch that were used last.

    An object that Keras and TensorFlow do not look into, as it is no part of the model's state.

    Args:
        model: the model whose steps the loops make.
    """

    def __init__(self, model):
        self.model = model
        self.clear()

    def clear(self) -> None:
        """Forgets what was compiled, as a model that is compiled anew must."""
        self.made, self.n_steps = {}, {}

    def __call__(self, phase: str, batch_size: int, n_steps: int) -> tuple[Callable, Callable]:
        """Returns the loop of "train" or "test" steps of that size, made when first asked for.

        Args:
            phase: "train" or "test".
            batch_size: rows of a step.
            n_steps: steps to be made, which count for whether compiling pays off.
        """
        key = (phase, batch_size)
        self.n_steps[key] = self.n_steps.pop(key, 0) + n_steps  # last, as used last
        loop, made_to_pay_off = self.made.get(key, (None, None))
        pays_off = made_to_pay_off or policy.pays_off(self.model, n_steps, self.n_steps[key])
        if pays_off != made_to_pay_off:
            # What is not compiled for its sizes serves them all.
            loop = self._loop_of_any_size(phase) if not pays_off else None
            step = self.model.train_step if phase == "train" else self.model.test_step
            by_xla = [f(self.model) for f in (policy.loops_by_xla, policy.updates_by_xla)]
            loop = loop or backend.compiled_loop(
                self.model, step, *(pays_off and choice for choice in by_xla)
            )
            self.made[key] = loop, pays_off
        if len(self.made) > _MAX_LOOPS:
            del self.made[next(used for used in self.n_steps if used in self.made)]
        return loop

    def _loop_of_any_size(self, phase):
        made = [loop for (p, _), (loop, paid) in self.made.items() if p == phase and not paid]
        return made[0] if made else None


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
        (number,) = keras.tree.flatten(next(iterator))
        number = int(np.squeeze(number))
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


class StepCallbacks(keras.callbacks.CallbackList):
    """The callbacks of a run, told the numbers of steps, not of calls.

    Args:
        callbacks: the user's callbacks.
        steps_per_call: steps between two calls of the callbacks' batch methods.
        **kwargs: as for `keras.callbacks.CallbackList`.
    """

    def __init__(self, callbacks, steps_per_call: int, **kwargs):
        self.steps_per_call = steps_per_call
        super().__init__(callbacks, **kwargs)

    def _last_step(self, call):
        return min((call + 1) * self.steps_per_call, self.params["steps"]) - 1

    def on_train_batch_begin(self, batch, logs=None):
        super().on_train_batch_begin(batch * self.steps_per_call, logs)

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(self._last_step(batch), logs)

    def on_test_batch_end(self, batch, logs=None):
        super().on_test_batch_end(self._last_step(batch), logs)


def build(vae, arrays: tuple) -> None:
    """Makes what Keras makes of the first batch, which the loop shows it as row numbers."""
    arrays = [array for array in arrays if array is not None]
    if vae.compiled and all(map(in_memory, arrays)) and not backend.is_distributed(vae):
        symbolic_build(vae, tuple(array[:1] for array in arrays))


def applies(vae, arrays: tuple, options: dict) -> bool:
    """Returns whether the loop does all that Keras's own loop would do.

    Args:
        vae: the VAE.
        arrays: x, y and the sample weights, `None` where there are none.
        options: the other arguments of `fit` or `evaluate`.
    """
    arrays = tuple(array for array in arrays if array is not None)
    return (
        vae.compiled
        and policy.uses_device_loop(vae)
        and row_order.can_be_ordered(vae, arrays, options)
        and all(options.get(name) is None for name in ("validation_steps", "steps"))
        and options.get("shuffle", True) in (True, False)
        and keras.config.max_steps_per_epoch() is None
        and not needs_each_batch(options.get("callbacks"))
        # Keras would build the others from row numbers.
        and all(layer.built for layer in flatten_layers(vae))
        and sum(map(_n_bytes, arrays)) <= backend.free_memory() / 2
    )


def _n_bytes(array):
    item = getattr(array.dtype, "itemsize", None) or array.dtype.size
    return math.prod(array.shape) * item


def needs_each_batch(callbacks) -> bool:
    """Returns whether a callback does something before or after each batch."""
    return any(_needs_each_batch(c) for c in keras.tree.flatten(callbacks or []))


def _needs_each_batch(callback):
    if getattr(callback, "takes_groups_of_batches", False):
        return False
    for name in (f"on_{when}batch_{end}" for when in ("", "train_", "test_") for end in _ENDS):
        method = getattr(callback, name)
        if not method.__module__.startswith("keras."):
            return True
        changed = getattr(method, "__func__", method) is not getattr(keras.callbacks.Callback, name)
        if changed and not _is_idle_on_batches(callback):
            return True
    return False


def _is_idle_on_batches(callback):
    """Keras's own callbacks that act on batches only where they are told to."""
    if isinstance(callback, keras.callbacks.TensorBoard):
        by_batch = callback.update_freq != "epoch" or callback.write_steps_per_second
        return not by_batch and not traces_batches(callback)
    if isinstance(callback, (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore)):
        return callback.save_freq == "epoch"
    return isinstance(callback, keras.callbacks.ProgbarLogger)


def fit(vae, x, y, batch_size=None, sample_weight=None, **options):
    """Runs `keras.Model.fit`, over device loops where `applies`."""
    arrays = (x, y, sample_weight)
    if options.get("validation_data") is not None:
        size = options.get("validation_batch_size") or batch_size
        options["validation_data"] = row_order.for_keras(options["validation_data"], size)
    if not applies(vae, arrays, options):
        return row_order.fit(vae, x, y, batch_size, sample_weight, **options)
    batch_size = batch_size or 32
    test_batch_size = options.pop("validation_batch_size", None) or batch_size
    validation_split = options.pop("validation_split", 0.0)
    validation_data = options.pop("validation_data", None)
    filled = last_batch.is_filled(vae)
    data, n, test_loop = _on_device(arrays, filled), len(x), None
    epochs = options.get("epochs", 1)
    if validation_data is not None and in_memory(validation_data[0]):
        n_test, test_data = len(validation_data[0]), _on_device(validation_data, filled)
        test_loop = _loop(vae, "test", test_batch_size, test_data, n_test, epochs=epochs)
    elif validation_data is None and validation_split:
        n = n_training_rows(x, validation_split)
        test_loop = _loop(vae, "test", test_batch_size, data, len(x), start=n, epochs=epochs)
    if test_loop:
        validation_data, test_batch_size = (backend.call_numbers(test_loop.n_calls),), 1

    orders = None
    if options.pop("shuffle", True):
        orders = (vae.row_order.next(n) for _ in itertools.count())
    loop = _loop(vae, "train", batch_size, data, n, orders=orders, epochs=epochs)
    callbacks = _callbacks(vae, loop, options, epochs, add_history=True)
    with _in_place_of_steps(vae, loop, test_loop):
        return keras.Model.fit(
            vae,
            backend.call_numbers(loop.n_calls),
            batch_size=1,
            shuffle=False,
            validation_data=validation_data,
            validation_batch_size=test_batch_size,
            **{**options, "callbacks": callbacks},
        )


def evaluate(vae, x, y, batch_size=None, sample_weight=None, **options):
    """Runs `keras.Model.evaluate`, over a device loop where `applies`."""
    arrays = (x, y, sample_weight)
    if not applies(vae, arrays, options):
        x, y, sample_weight = row_order.for_keras(arrays, batch_size)
        return keras.Model.evaluate(vae, x, y, batch_size, sample_weight=sample_weight, **options)
    data = _on_device(arrays, last_batch.is_filled(vae))
    loop = _loop(vae, "test", batch_size or 32, data, len(x))
    options["callbacks"] = _callbacks(vae, loop, options)
    with _in_place_of_steps(vae, vae.train_function, loop):
        numbers = backend.call_numbers(loop.n_calls)
        return keras.Model.evaluate(vae, numbers, batch_size=1, **options)


def _on_device(arrays, filled):
    """Returns the arrays on the device, and the row that fills batches up, where they are."""
    filler = len(arrays[0]) if filled else None
    if filled:
        arrays = last_batch.with_row_of_weight_zero(arrays)
    return backend.on_device(tuple(array for array in arrays if array is not None)), filler


def _loop(vae, phase, batch_size, data, stop, start=0, orders=None, epochs=1):
    """Returns a loop over the rows from `start` to `stop`, in their order without `orders`."""
    orders = orders or itertools.repeat(np.arange(start, stop))
    n_steps = epochs * math.ceil((stop - start) / batch_size)
    compiled = vae.compiled_loops(phase, batch_size, n_steps)
    arrays, filler = data
    return DeviceLoop(compiled, batch_size, arrays, stop - start, orders, filler)


def _callbacks(vae, loop, options, epochs=1, add_history=False):
    verbose = options.get("verbose", "auto")
    return StepCallbacks(
        options.get("callbacks"),
        loop.steps_per_call,
        add_history=add_history,
        add_progbar=verbose != 0,
        verbose=verbose,
        epochs=epochs,
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
