"""The compiled loop of steps on TensorFlow."""

import contextlib
import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from keras_vae.training import compiler
from keras_vae.training.backend import is_cpu

_ALIASED = ("float32", "float64", "uint8", "int32", "int64")


def to_device(array: np.ndarray) -> tf.Tensor:
    """Returns `array` on the device; a CPU uses its memory."""
    if is_cpu() and array.dtype.name in _ALIASED:
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return tf.convert_to_tensor(array)


@functools.lru_cache(maxsize=8)
def call_numbers(n: int) -> tf.data.Dataset:
    """Returns the numbers 0 to n - 1 as data for Keras, one a batch."""
    # The threads of a tuned pipeline kept the steps to one core in a third of the runs.
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_optimization.inject_prefetch = False
    return tf.data.Dataset.range(n).with_options(options)


def compiled_loop(model: keras.Model, step: Callable, batch_size: int) -> tuple[Callable, Callable]:
    """Compiles steps over rows of data that lies on the device.

    Args:
        model: the compiled model.
        step: its `train_step` or `test_step`, from a batch to logs.
        batch_size: rows of a step.

    Returns:
        `many(data, rows, n_steps)`, which makes `n_steps` steps over the first
        of `rows`, and `one(data, rows)`, which makes one step over all of them.
        Both give the logs of the last step. `data` is a tuple of arrays or `None`.
    """
    xla = compiler.loops_by_xla(model)

    # A function of its own, so that it is traced once, for the names of its logs and for the loop.
    @tf.function(autograph=False)
    def traced_step(batch):
        with contextlib.nullcontext() if xla else _update_by_xla(model):
            return step(batch)

    def take(data, rows):
        return tuple(None if array is None else tf.gather(array, rows) for array in data)

    # The number of steps is an argument, so that one graph makes any number.
    def many(data, rows, n_steps):
        batch = take(data, rows[:batch_size])
        specs = traced_step.get_concrete_function(batch).structured_outputs
        # Metrics need not be computed at each step; other logs, of a user's step, must be.
        are_metrics = specs.keys() == model.get_metrics_result().keys()
        logs = {} if are_metrics else {k: tf.zeros(x.shape, x.dtype) for k, x in specs.items()}

        def one_more(i, _):
            logs = traced_step(take(data, tf.slice(rows, [i * batch_size], [batch_size])))
            return i + 1, {} if are_metrics else logs

        _, logs = tf.while_loop(
            lambda i, _: i < n_steps, one_more, (0, logs), parallel_iterations=1
        )
        return model.get_metrics_result() if are_metrics else logs

    def one(data, rows):
        return traced_step(take(data, rows))

    return _compiled(many, xla, model.jit_compile), _compiled(one, xla, model.jit_compile)


def _compiled(function, xla, required):
    """Compiles `function`, without XLA if that cannot and is not `required`."""
    # A partial: TensorFlow counts traces by code, and warns where many models have the same.
    function = functools.partial(function)
    compiled = tf.function(function, jit_compile=xla, autograph=False)
    if not xla or required:
        return compiled
    works = False

    def by_xla_or_without(*args):
        nonlocal compiled, works
        try:
            result = compiled(*args)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            if works:
                raise
            compiled = tf.function(function, autograph=False)
            result = compiled(*args)
        works = True
        return result

    return by_xla_or_without


@contextlib.contextmanager
def _update_by_xla(model):
    """Lets XLA compile the optimizer's update."""
    optimizer = model.optimizer
    if not compiler.updates_by_xla(model):
        yield
        return
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
