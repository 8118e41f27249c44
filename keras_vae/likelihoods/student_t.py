"""Student-t likelihood with given scale and degrees of freedom, for heavy-tailed data."""

import math

import keras
from keras import ops

from keras_vae.likelihoods.likelihood import Likelihood
from keras_vae.validation.arguments import check_positive


@keras.saving.register_keras_serializable(package="keras_vae")
class StudentT(Likelihood):
    """log p(x|z) of a Student-t around μ from the decoder, in nats, constants included.

    Args:
        degrees_of_freedom: ν of every feature; the smaller, the heavier the
            tails. The mean of x is μ for ν > 1.
        scale: σ of every feature, in the units of x.

    Raises:
        ValueError: if either is not a positive number.
    """

    def __init__(self, degrees_of_freedom: float = 4.0, scale: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.degrees_of_freedom = check_positive("degrees_of_freedom", degrees_of_freedom)
        self.scale = check_positive("scale", scale)
        self.data_scale = self.scale

    def log_prob_per_feature(self, target, params):
        nu = self.degrees_of_freedom
        log_normalizer = (
            math.lgamma(0.5 * nu)
            - math.lgamma(0.5 * (nu + 1.0))
            + 0.5 * math.log(nu * math.pi)
            + math.log(self.scale)
        )
        tail = 0.5 * (nu + 1.0) * ops.log1p(ops.square((target - params) / self.scale) / nu)
        return -tail - log_normalizer

    def mean(self, params):
        return ops.cast(params, "float32")

    def sample(self, params, seed=None):
        mean, nu = self.mean(params), self.degrees_of_freedom
        seed = keras.random.SeedGenerator(seed) if isinstance(seed, int) else seed
        normal = keras.random.normal(ops.shape(mean), seed=seed)
        chi_square = 2.0 * keras.random.gamma(ops.shape(mean), 0.5 * nu, seed=seed)
        return mean + self.scale * normal * ops.sqrt(nu / ops.maximum(chi_square, 1e-30))

    def get_config(self):
        return {
            **super().get_config(),
            "degrees_of_freedom": self.degrees_of_freedom,
            "scale": self.scale,
        }
