"""The compiled loop of steps on TensorFlow."""

import contextlib
import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from keras_vae.backend.arrays import rows_of

_ALIASED = ("float32", "float64", "uint8", "int32", "int64")


def is_cpu() -> bool:
    """Returns whether the default device is a CPU."""
    return not tf.config.list_logical_devices("GPU")


def without_gradients(step: Callable) -> Callable:
    """Returns a step that makes nothing ready for gradients, as none of evaluation does."""
    return step


def to_device(array: np.ndarray) -> np.ndarray | tf.Tensor:
    """Returns `array` on the device, for which a CPU has nothing to do."""
    return array if is_cpu() else tf.convert_to_tensor(array)


@functools.lru_cache(maxsize=8)
def call_numbers(n: int) -> tf.data.Dataset:
    """Returns the numbers 0 to n - 1 as data for Keras, one a batch."""
    # The threads of a tuned pipeline kept the steps to one core in a third of the runs.
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_optimization.inject_prefetch = False
    return tf.data.Dataset.range(n).with_options(options)


def wait_for(logs: dict) -> None:
    """Returns when the steps that give these logs are made, which they are here."""


def compiled_loop(
    model: keras.Model,
    step: Callable,
    loop_by_xla: bool,
    update_by_xla: bool,
    pays_off: bool | None,
) -> tuple[Callable, Callable]:
    """Compiles steps over rows of data that lies on the device.

    Args:
        model: the compiled model.
        step: its `train_step` or `test_step`, from a batch to logs.
        loop_by_xla: whether XLA compiles the loop.
        update_by_xla: whether it compiles the optimizer's update, where it does not the loop.
        pays_off: whether there are steps enough to earn what compiling takes; of meaning on torch.

    Returns:
        `many(data, rows, n_most)`, which makes a step over each row of `rows`,
        of shape (steps, batch), of which there are `n_most` at most, and
        `one(data, rows)`, which makes one step over rows of any number. Both
        give the logs of the last step.
    """

    def batch_step(batch):
        with _update_by_xla(model.optimizer) if update_by_xla else contextlib.nullcontext():
            return step(batch)

    # Traced once, for the names of its logs, the loop and batches of any size.
    traced_step = _of_any_size(batch_step, n_axes=1)

    # The number of steps is an argument, so that one graph makes any number.
    def loop(batches, n_steps):
        concrete_step = traced_step(tuple(array[0] for array in batches))
        specs = concrete_step.structured_outputs
        # Metrics need not be computed at each step; other logs, of a user's step, must be.
        are_metrics = specs.keys() == model.get_metrics_result().keys()
        logs = {} if are_metrics else {k: tf.zeros(x.shape, x.dtype) for k, x in specs.items()}

        def one_more(i, _):
            logs = concrete_step(tuple(array[i] for array in batches))
            return i + 1, {} if are_metrics else logs

        _, logs = tf.while_loop(
            lambda i, _: i < n_steps, one_more, (0, logs), parallel_iterations=1
        )
        return model.get_metrics_result() if are_metrics else logs

    graph_loop = _of_any_size(loop, n_axes=2)
    compiled = None
    if loop_by_xla:
        # A partial: TensorFlow counts traces by code, and warns where many models have the same.
        compiled = tf.function(functools.partial(loop), jit_compile=True, autograph=False)
    works = False

    def many(data, rows, n_most):
        nonlocal compiled, works
        n_steps = tf.constant(len(rows))
        if compiled is not None:
            # Of one length, as XLA compiles each.
            batches = _take(data, np.resize(rows, (n_most, rows.shape[1])))
            try:
                logs = compiled(batches, n_steps)
            except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
                if works or model.jit_compile:
                    raise
                compiled = None  # what XLA cannot compile runs without it
            else:
                works = True
                return logs
        batches = _take(data, rows)
        return graph_loop(batches, n_steps)(batches, n_steps)

    def one(data, rows):
        # Not by XLA, which would compile each number of rows.
        batch = _take(data, rows)
        return traced_step(batch)(batch)

    return many, one


def _take(data, rows):
    return tuple(_rows_of(array, rows) for array in data)


def _rows_of(array, rows):
    if not is_cpu():
        return tf.gather(array, rows)
    taken = rows_of(array, rows)
    if array.dtype.name not in _ALIASED:
        return tf.convert_to_tensor(taken)
    return tf.experimental.dlpack.from_dlpack(taken.__dlpack__())


def _of_any_size(function, n_axes):
    """Returns what gives the graph of `function(arrays, ...)` for any sizes of the first axes."""
    # A partial: TensorFlow counts traces by code, and warns where many models have the same.
    graph = tf.function(functools.partial(function), autograph=False)

    def concrete(arrays, *others):
        free = (None,) * n_axes
        specs = tuple(tf.TensorSpec((*free, *x.shape[n_axes:]), x.dtype) for x in arrays)
        return graph.get_concrete_function(specs, *map(tf.TensorSpec.from_tensor, others))

    return concrete


@contextlib.contextmanager
def _update_by_xla(optimizer):
    """Lets XLA compile the optimizer's update."""
    apply = optimizer.apply

    def compiled_apply(grads, trainable_variables=None):
        @tf.function(jit_compile=True, autograph=False)
        def update(grads):
            apply(grads, trainable_variables)

        update(list(grads))

    optimizer.apply = compiled_apply
    try:
        yield
    finally:
        del optimizer.apply
