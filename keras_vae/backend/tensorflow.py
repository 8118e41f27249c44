"""What only TensorFlow knows; jax.py and torch.py have the same names."""

import contextlib
import functools
import math
from collections.abc import Callable

import keras
import tensorflow as tf

from keras_vae.backend import memory
from keras_vae.backend.keras_internals import distribution_strategy
from keras_vae.backend.tensorflow_loop import (
    call_numbers,
    compiled_loop,
    is_cpu,
    to_device,
    without_gradients,
)
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import plain

__all__ = ["call_numbers", "compiled_loop", "is_cpu", "to_device", "without_gradients"]

# Whether a loop replays a step that was recorded, where it pays off, and compiles nothing.
RECORDS_STEPS = False
# Whether a compiled function takes batches of one size only, as all that XLA compiles.
COMPILES_EACH_SHAPE = False

# Functions of images, a kernel, a bias and the padding of height and width, each before and
# after: a convolution of stride 2, and a transposed one. `None`: Keras's are as good.
strided_convolution = None
strided_convolution_transpose = None


def num_replicas() -> int:
    """Returns how many replicas share a batch under `tf.distribute`, else 1."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def is_distributed(model: keras.Model) -> bool:
    """Returns whether several devices share the model's work."""
    strategy = tf.distribute.get_strategy()
    return tf.distribute.has_strategy() or model.distribute_strategy is not strategy


def is_tracing() -> bool:
    """Returns whether tensors are symbols now, so that their values cannot be read."""
    return tf.inside_function()


def scope(model: keras.Model) -> contextlib.AbstractContextManager:
    """Returns a context in which variables are made where those of the model are to lie."""
    # The one of the scope in which the model was made.
    if model.distribute_strategy is not tf.distribute.get_strategy():
        return model.distribute_strategy.scope()
    return contextlib.nullcontext()


def move_optimizer(optimizer, model: keras.Model) -> None:
    """Lets an optimizer that was made outside of the model's `scope` keep its variables there.

    Raises:
        ValueError: if it has been used.
    """
    strategy = distribution_strategy(optimizer)
    if strategy in (None, model.distribute_strategy):
        return
    if optimizer.built:
        raise ValueError(
            "The optimizer has been used outside of the tf.distribute strategy in whose scope the "
            "model was made. Make a new one, or compile with its name."
        )
    with scope(model):
        # The same object, as its user may hold it.
        vars(optimizer).update(vars(optimizer.from_config(optimizer.get_config())))


def synchronizer(model: keras.Model) -> Callable:
    """Returns a function that brings the model's variables up to date while it trains."""
    return lambda: None


def keep_assigned(model: keras.Model, variables: list) -> None:
    """Keeps what was assigned to variables within an epoch, where the state lies elsewhere then."""


def before_updates(loss) -> Tensor:
    """Returns the loss; its gradient waits for its value.

    TensorFlow drops the order of a read of a weight and its update where the way from one
    to the other leads over the shape of the loss. Without the loss's value on the way, the
    update could come first where the weight's own gradient does not depend on that read.
    """

    @tf.custom_gradient
    def identity(loss):
        return loss, lambda gradient: tf.where(tf.math.is_nan(loss), gradient, gradient)

    return identity(loss)


def normal(shape, seed, dtype: str = "float32") -> Tensor:
    """Draws standard normal noise; arguments as for `keras.random.normal`."""
    if not isinstance(seed, keras.random.SeedGenerator):
        return keras.random.normal(shape, dtype=dtype, seed=plain(seed))
    # stateless_normal gives other numbers under XLA, and made loops 1.5 to 1.9 times as slow.
    seed = tf.cast(tf.math.floormod(seed.next(), tf.int32.max - 1), tf.int32)
    bits = tf.random.stateless_uniform(shape, seed, None, None, tf.int32, alg="philox")
    # 23 of the bits, as more would round to 1, where the inverse is infinite.
    uniform = (tf.cast(tf.bitwise.right_shift(bits, 9), tf.float32) + 0.5) * 2.0**-22
    return tf.cast(math.sqrt(2.0) * tf.math.erfinv(uniform), dtype)


def noise_is_by_element() -> bool:
    """Returns whether the first rows of noise are the same for any number of rows."""
    return False


def own_seeds(generators: list[keras.random.SeedGenerator]) -> None:
    """Lets generators without a seed draw from one of their own, not from the process's."""


def compile_inference(function: Callable, model: keras.Model) -> Callable:
    """Compiles `function`, of arrays, that reads the weights of `model`.

    The result sees the weights as they are at each call and traces once per
    shape. It takes and returns NumPy arrays.
    """
    # A partial: TensorFlow counts traces by code, and warns where many models have the same.
    compiled = tf.function(functools.partial(function), reduce_retracing=True)
    return lambda *xs: compiled(*(tf.convert_to_tensor(x) for x in xs)).numpy()


def free_memory() -> int:
    """Returns the bytes that data may take on the device, 2 GiB where nobody knows."""
    return memory.free_in_machine() if is_cpu() else memory.UNKNOWN
