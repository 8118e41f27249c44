"""What the parts made of TensorFlow Probability distributions share."""

import keras
import numpy as np
from keras import ops

from keras_vae import backend
from keras_vae.distributions.base import Distribution
from keras_vae.distributions.seeds import generator
from keras_vae.typing import Tensor


class FromTFP(Distribution):
    """A TensorFlow Probability distribution. TensorFlow backend only.

    Args:
        distribution: a `tfp.distributions.Distribution`.

    Attributes:
        wrapped: that distribution.
    """

    def __init__(self, distribution):
        self.wrapped = distribution
        self.event_shape = tuple(distribution.event_shape)

    def _log_prob(self, z):
        return ops.cast(self.wrapped.log_prob(z), "float32")

    def _sample(self, n, seed):
        return draw(self.wrapped, n, seed)

    def mean(self) -> Tensor:
        return ops.cast(self.wrapped.mean(), "float32")


def is_distribution(value) -> bool:
    """Returns whether `value` is a `tfp.distributions.Distribution`, without importing TFP."""
    return any(
        base.__module__.startswith("tensorflow_probability.") and base.__name__ == "Distribution"
        for base in type(value).__mro__
    )


def check_backend() -> None:
    """Raises a RuntimeError if the backend cannot run TensorFlow Probability."""
    if backend.NAME != "tensorflow":
        raise RuntimeError(
            "TensorFlow Probability computes with TensorFlow's tensors, which the "
            f"{backend.NAME} backend cannot differentiate. Use KERAS_BACKEND=tensorflow, or the "
            "distributions of keras_vae.priors and keras_vae.likelihoods, which run on every "
            "backend."
        )


def check_function(name: str, function, weights: dict | None) -> dict:
    """Returns the weights' starting values as nested lists, for the config of a layer."""
    check_backend()
    if not callable(function):
        raise TypeError(f"{name} must be a function to a tfd.Distribution; received {function!r}.")
    return {key: ops.convert_to_numpy(value).tolist() for key, value in (weights or {}).items()}


def add_weights(layer, weights: dict) -> dict:
    """Adds a trainable weight for each starting value; returns them by name."""
    return {
        key: layer.add_weight(
            ops.shape(value), lambda shape, dtype, value=value: ops.array(value, dtype),
            name=key,
        )
        for key, value in weights.items()
    }  # fmt: skip


def draw(distribution, shape, seed) -> Tensor:
    """Returns draws of a `tfp.distributions.Distribution`, float32.

    Args:
        distribution: the distribution.
        shape: a number of draws, or `()` for one without an axis.
        seed: an integer, a `keras.random.SeedGenerator` or `None`.
    """
    seed = generator(seed)
    seed = None if seed is None else ops.cast(seed.next(), "int32")
    return ops.cast(distribution.sample(shape, seed=seed), "float32")


def to_config(name: str, function, start: dict) -> dict:
    """Returns the config of a layer that is made of a function, called `name`, and its weights."""
    return {
        name: keras.saving.serialize_keras_object(function),
        "weights": {key: np.array(value).tolist() for key, value in start.items()},
    }


def arguments(name: str, config: dict) -> dict:
    """Returns the constructor's arguments of a config that `to_config` began."""
    weights = {key: np.array(value, "float32") for key, value in config["weights"].items()}
    function = keras.saving.deserialize_keras_object(config[name])
    return {**config, name: function, "weights": weights}
