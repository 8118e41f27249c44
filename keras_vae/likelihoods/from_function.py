"""FromFunction: a likelihood made of the user's own log-likelihood function."""

from collections.abc import Callable
from typing import Self

import keras
from keras import ops

from keras_vae.likelihoods.base import Likelihood
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


@serializable(old="FromFunction")
class FromFunction(Likelihood):
    """A likelihood whose `log_prob` is `log_likelihood(target, params)`.

    `VAE(likelihood=f)` is short for `VAE(likelihood=FromFunction(f))`. A
    function that is to be saved must be registered with
    `keras.saving.register_keras_serializable`.

    Args:
        log_likelihood: `(target, params)` to log p(target | params), in nats,
            of shape `(batch,)`: summed over a sample's features.
        mean: `(params)` to the expected target. `None` takes the params
            themselves.
    """

    public_name = None

    def __init__(self, log_likelihood: Callable, mean: Callable | None = None, **kwargs):
        super().__init__(**kwargs)
        self.log_likelihood = log_likelihood
        self.mean_function = mean

    def log_prob(self, target, params, mask=None) -> Tensor:
        if mask is not None:
            raise ValueError(
                "A log-likelihood function gives one value per sample, so that single features "
                "cannot be masked. Subclass keras_vae.likelihoods.Likelihood instead."
            )
        log_prob = self.log_likelihood(ops.cast(target, "float32"), ops.cast(params, "float32"))
        return ops.cast(log_prob, "float32")

    def mean(self, params) -> Tensor:
        params = ops.cast(params, "float32")
        return params if self.mean_function is None else self.mean_function(params)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "log_likelihood": keras.saving.serialize_keras_object(self.log_likelihood),
            "mean": keras.saving.serialize_keras_object(self.mean_function),
        }

    @classmethod
    def from_config(cls, config) -> Self:
        config = dict(config)
        for name in ("log_likelihood", "mean"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
