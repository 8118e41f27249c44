"""Gaussian likelihood with a given standard deviation, for real-valued data."""

import math

import keras
from keras import ops

from keras_vae.likelihoods.likelihood import Likelihood, check_positive, sum_features


@keras.saving.register_keras_serializable(package="keras_vae")
class Gaussian(Likelihood):
    """log p(x|z) = Σ -½((x - μ)/σ)² - log σ - ½ log 2π, in nats, μ from the decoder.

    Args:
        sigma: the standard deviation σ of every feature, in the units of x.
            A small σ asks for sharp reconstructions, a large one gives the KL
            more weight.

    Raises:
        ValueError: if `sigma` is not a positive number.

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, equation 12.
    """

    def __init__(self, sigma: float = 1.0):
        self.sigma = check_positive("sigma", sigma)

    def log_prob(self, target, params):
        x, mean = ops.cast(target, "float32"), ops.cast(params, "float32")
        log_normalizer = math.log(self.sigma) + 0.5 * math.log(2.0 * math.pi)
        return sum_features(-0.5 * ops.square((x - mean) / self.sigma) - log_normalizer, x)

    def mean(self, params):
        return ops.cast(params, "float32")

    def sample(self, params, seed=None):
        mean = self.mean(params)
        return mean + self.sigma * keras.random.normal(ops.shape(mean), seed=seed)

    def get_config(self):
        return {"sigma": self.sigma}
