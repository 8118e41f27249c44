"""What the parts made of TensorFlow Probability distributions share."""

from keras import ops

from keras_vae import backend
from keras_vae.distributions.base import Distribution


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
        seed = None if seed is None else ops.cast(seed.next(), "int32")
        return ops.cast(self.wrapped.sample(n, seed=seed), "float32")

    def mean(self):
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
