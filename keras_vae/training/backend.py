"""The only code that asks which backend runs."""

from collections.abc import Callable

import keras
from keras import ops

BACKEND = keras.backend.backend()


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

        compiled = tf.function(function, reduce_retracing=True)
        return lambda *xs: compiled(*(tf.convert_to_tensor(x) for x in xs)).numpy()

    if BACKEND == "jax":
        import jax

        @jax.jit
        def stateless(values, *xs):
            with keras.StatelessScope(
                state_mapping=list(zip(model.variables, values, strict=True))
            ):
                return function(*xs)

        def with_current_weights(*xs):
            model.jax_state_sync()
            return ops.convert_to_numpy(stateless([v.value for v in model.variables], *xs))

        return with_current_weights

    import torch

    def without_gradient(*xs):
        with torch.no_grad():
            return ops.convert_to_numpy(function(*(ops.convert_to_tensor(x) for x in xs)))

    return without_gradient
