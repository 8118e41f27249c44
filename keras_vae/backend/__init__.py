"""The only code that asks which backend runs."""

import contextlib
import functools
import importlib
import math
import os
import weakref
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_vae.validation.arguments import plain

BACKEND = keras.backend.backend()
# Elsewhere a compiled function takes a batch of any size.
COMPILES_EACH_SHAPE = BACKEND == "jax"


def num_replicas() -> int:
    """Returns how many replicas share a batch under `tf.distribute`, else 1."""
    if BACKEND != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def is_tracing() -> bool:
    """Returns whether tensors are symbols now, so that their values cannot be read."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.inside_function()
    if BACKEND == "jax":
        import jax

        return isinstance(ops.zeros(()) + 0, jax.core.Tracer)
    return ops.zeros(()).device.type == "meta"


def synchronizer(model: keras.Model) -> Callable:
    """Returns a function that brings the model's variables up to date while it trains."""
    if BACKEND != "jax":
        return lambda: None
    reference = weakref.ref(model)

    def synchronize():
        model = reference()
        if model is not None:
            model.jax_state_sync()

    return synchronize


def keep_assigned(model: keras.Model, variables: list) -> None:
    """Keeps what was assigned to variables within an epoch; JAX holds the state elsewhere then."""
    if BACKEND != "jax" or model._jax_state_synced:
        return
    assigned = [(v, v._value) for v in variables if v._value is not None]
    if assigned:
        model.jax_state_sync()
        for variable, value in assigned:
            variable.assign(value)


def portable_config(config):
    """Returns a serialized optimizer with torch's own classes named as the public ones."""
    if not isinstance(config, dict):
        return config
    config = {key: portable_config(value) for key, value in config.items()}
    if str(config.get("module")).startswith("keras.src.backend.torch.optimizers"):
        config |= {"module": "keras.optimizers", "registered_name": None}
    return config


def compile_inference(function: Callable, model: keras.Model) -> Callable:
    """Compiles `function`, of arrays, that reads the weights of `model`.

    The result sees the weights as they are at each call and traces once per
    shape. It takes and returns NumPy arrays.
    """
    if BACKEND == "tensorflow":
        import tensorflow as tf

        # A partial: TensorFlow counts traces by code, and warns where many models have the same.
        compiled = tf.function(functools.partial(function), reduce_retracing=True)
        return lambda *xs: compiled(*(tf.convert_to_tensor(x) for x in xs)).numpy()

    if BACKEND == "jax":
        compiled = {}

        def with_current_weights(*xs):
            model.jax_state_sync()
            shapes = tuple((x.shape, x.dtype) for x in xs)
            if shapes not in compiled:
                compiled[shapes] = _compiled_with_weights(function, model.variables, xs)
            stateless, variables = compiled[shapes]
            # Not `value`, which takes as long as a small model for one sample.
            return np.array(stateless([v._value for v in variables], *xs))

        return with_current_weights

    import torch

    def without_gradient(*xs):
        with torch.no_grad():
            return ops.convert_to_numpy(function(*(ops.convert_to_tensor(x) for x in xs)))

    return without_gradient


def _compiled_with_weights(function, variables, xs):
    """Returns a function `(values, *xs)` and the variables whose values it takes."""
    import jax
    from jax.extend.core import jaxpr_as_fun

    def stateless(values, *xs):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*xs)

    traced = jax.make_jaxpr(stateless)([v._value for v in variables], *xs)
    jaxpr = traced.jaxpr
    read = {id(v) for equation in jaxpr.eqns for v in equation.invars} | set(map(id, jaxpr.outvars))
    # To pass the others as well takes as long as a small layer for one sample.
    used = [i for i in range(len(variables)) if id(jaxpr.invars[i]) in read]

    @jax.jit
    def of_used(values, *xs):
        all_values = dict(zip(used, values, strict=True))
        filled = [all_values.get(i) for i in range(len(variables))]
        (output,) = jaxpr_as_fun(traced)(*filled, *xs)
        return output

    return of_used, [variables[i] for i in used]


def is_cpu() -> bool:
    """Returns whether the default device is a CPU."""
    if BACKEND == "jax":
        import jax

        return jax.default_backend() == "cpu"
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return not tf.config.list_logical_devices("GPU")
    import torch

    return not torch.cuda.is_available()


def normal(shape, seed, dtype: str = "float32"):
    """Draws standard normal noise; arguments as for `keras.random.normal`."""
    if BACKEND != "tensorflow" or not isinstance(seed, keras.random.SeedGenerator):
        return keras.random.normal(shape, dtype=dtype, seed=plain(seed))
    import tensorflow as tf

    # stateless_normal gives other numbers under XLA, and made loops 1.5 to 1.9 times as slow.
    seed = tf.cast(tf.math.floormod(seed.next(), tf.int32.max - 1), tf.int32)
    bits = tf.random.stateless_uniform(shape, seed, None, None, tf.int32, alg="philox")
    # 23 of the bits, as more would round to 1, where the inverse is infinite.
    uniform = (tf.cast(tf.bitwise.right_shift(bits, 9), tf.float32) + 0.5) * 2.0**-22
    return tf.cast(math.sqrt(2.0) * tf.math.erfinv(uniform), dtype)


def noise_is_by_element() -> bool:
    """Returns whether JAX draws the same first rows of noise for any number of rows."""
    import jax

    is_threefry = jax.config.jax_default_prng_impl == "threefry2x32"
    return is_threefry and jax.config.jax_threefry_partitionable


def before_updates(loss):
    """Returns the loss; its gradient waits for its value.

    TensorFlow drops the order of a read of a weight and its update where the way from one
    to the other leads over the shape of the loss. Without the loss's value on the way, the
    update could come first where the weight's own gradient does not depend on that read.
    """
    if BACKEND != "tensorflow":
        return loss
    import tensorflow as tf

    @tf.custom_gradient
    def identity(loss):
        return loss, lambda gradient: tf.where(tf.math.is_nan(loss), gradient, gradient)

    return identity(loss)


def scope(model: keras.Model):
    """Returns a context in which variables are made where those of the model are to lie."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        # The one of the scope in which the model was made.
        if model.distribute_strategy is not tf.distribute.get_strategy():
            return model.distribute_strategy.scope()
    return contextlib.nullcontext()


def move_optimizer(optimizer, model: keras.Model) -> None:
    """Lets an optimizer that was made outside of the model's `scope` keep its variables there.

    Raises:
        ValueError: if it has been used.
    """
    strategy = getattr(optimizer, "_distribution_strategy", None)
    if BACKEND != "tensorflow" or strategy in (None, model.distribute_strategy):
        return
    if optimizer.built:
        raise ValueError(
            "The optimizer has been used outside of the tf.distribute strategy in whose scope the "
            "model was made. Make a new one, or compile with its name."
        )
    with scope(model):
        # The same object, as its user may hold it.
        vars(optimizer).update(vars(optimizer.from_config(optimizer.get_config())))


def is_distributed(model: keras.Model) -> bool:
    """Returns whether several devices share the model's work."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        strategy = tf.distribute.get_strategy()
        return tf.distribute.has_strategy() or model.distribute_strategy is not strategy
    return BACKEND == "jax" and keras.distribution.distribution() is not None


def free_memory() -> int:
    """Returns the bytes that data may take on the device, 2 GiB where nobody knows."""
    unknown = 2 * 2**30
    if is_cpu():
        try:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
        except (ValueError, AttributeError, OSError):
            return unknown
    if BACKEND == "jax":
        import jax

        stats = jax.local_devices()[0].memory_stats()
        return stats["bytes_limit"] - stats["bytes_in_use"] if stats else unknown
    return unknown


def on_device(arrays: tuple) -> tuple:
    """Puts arrays on the device, floats as `keras.config.floatx()`; an array twice is put once."""
    put = {}
    for array in arrays:
        if id(array) not in put:
            put[id(array)] = _loop_module().to_device(as_floatx(array))
    return tuple(put[id(array)] for array in arrays)


def rows_of(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns rows of an array, `(*rows.shape, *features)`; the last row for those behind it.

    They lie in memory aligned as the backends need it, which to copy takes longer than to fill.
    """
    shape = (*rows.shape, *array.shape[1:])
    memory = np.empty(math.prod(shape) * array.itemsize + 64, "uint8")
    start = -memory.ctypes.data % 64
    taken = memory[start : len(memory) - 64 + start].view(array.dtype).reshape(shape)
    return np.take(array, rows, axis=0, out=taken, mode="clip")


def as_floatx(array) -> np.ndarray:
    """Returns an array or tensor as NumPy, floats as `keras.config.floatx()`."""
    array = array if isinstance(array, np.ndarray) else ops.convert_to_numpy(array)
    is_other_float = array.dtype.kind == "f" and array.dtype != keras.config.floatx()
    return array.astype(keras.config.floatx()) if is_other_float else array


def compiled_loop(model: keras.Model, step: Callable, pays_off: bool):
    """Returns the backend's loop of steps, see `jax_loop` and `tensorflow_loop`."""
    return _loop_module().compiled_loop(model, step, pays_off)


def call_numbers(n: int):
    """Returns the numbers 0 to n - 1 as data for Keras, one a batch."""
    return _loop_module().call_numbers(n)


def _loop_module():
    return importlib.import_module(f"keras_vae.backend.{BACKEND}_loop")
