"""Laplace likelihood with a given scale, for real-valued data with outliers."""

import math

import keras
from keras import ops

from keras_vae.likelihoods.base import Likelihood
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_positive


@serializable(old="Laplace")
class Laplace(Likelihood):
    """log p(x|z) = Σ -|x - μ| / b - log 2b, in nats, the median and mean μ from the decoder.

    Args:
        scale: b of every feature, in the units of x.

    Raises:
        ValueError: if `scale` is not a positive number.
    """

    def __init__(self, scale: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = check_positive("scale", scale)
        self.data_scale = self.scale

    def log_prob_per_feature(self, target, params) -> Tensor:
        return -ops.abs(target - params) / self.scale - math.log(2.0 * self.scale)

    def mean(self, params) -> Tensor:
        return ops.cast(params, "float32")

    def sample(self, params, seed=None) -> Tensor:
        mean = self.mean(params)
        u = keras.random.uniform(ops.shape(mean), -0.5, 0.5, seed=seed)
        # u = -1/2 would give an infinite draw; u comes in steps of 2^-24.
        tail = ops.log(ops.maximum(1.0 - 2.0 * ops.abs(u), 2.0**-24))
        return mean - self.scale * ops.sign(u) * tail

    def get_config(self) -> dict:
        return {**super().get_config(), "scale": self.scale}
