"""What the parts made of TensorFlow Probability distributions share."""

import keras

from keras_vae import backend


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
    return {
        key: keras.ops.convert_to_numpy(value).tolist() for key, value in (weights or {}).items()
    }


def add_weights(layer, weights: dict) -> dict:
    """Adds a trainable weight for each starting value; returns them by name."""
    return {
        key: layer.add_weight(
            keras.ops.shape(value), lambda shape, dtype, value=value: keras.ops.array(value, dtype),
            name=key,
        )
        for key, value in weights.items()
    }  # fmt: skip
