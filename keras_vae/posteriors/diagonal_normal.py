"""Diagonal normal posterior, q(z|x) = N(z_mean, exp(z_log_var))."""

import math

import keras
from keras import ops

from keras_vae.numerics.straight_through import bounded
from keras_vae.posteriors.posterior import Posterior, PosteriorHead
from keras_vae.priors.standard_normal import StandardNormal

MIN_LOG_VAR = -20.0
MAX_LOG_VAR = 10.0


class DiagonalNormal(Posterior):
    """The distribution that an encoder's `z_mean` and `z_log_var` describe.

    Args:
        z_mean: shape `(batch, latent_dim)`.
        z_log_var: log σ², of the same shape.

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, appendix B
        (the KL) and C.2.
    """

    def __init__(self, z_mean, z_log_var):
        self.z_mean = ops.convert_to_tensor(z_mean, "float32")
        self.z_log_var = ops.convert_to_tensor(z_log_var, "float32")

    def mean(self):
        """Returns `z_mean`, of shape `(batch, latent_dim)`."""
        return self.z_mean

    def covariance(self):
        """Returns the diagonal matrices of σ², of shape `(batch, latent_dim, latent_dim)`."""
        return ops.expand_dims(ops.exp(self.z_log_var), -1) * ops.eye(self.z_mean.shape[-1])

    def std(self):
        return ops.exp(0.5 * self.z_log_var)

    def mean_covariance(self, weight):
        variance = ops.sum(weight[:, None] * ops.exp(self.z_log_var), axis=0)
        return ops.expand_dims(variance, -1) * ops.eye(self.z_mean.shape[-1])

    def base(self):
        return self.z_mean, self.z_log_var

    def from_base(self, z_0):
        return z_0, self.log_prob(z_0)

    def marginal_log_prob(self, z):
        """Returns log q(z_d|x) of each dimension, of the shape of `z`."""
        difference = ops.convert_to_tensor(z, "float32") - self.z_mean
        square = ops.square(difference) * ops.exp(-self.z_log_var)
        return -0.5 * (square + self.z_log_var + math.log(2.0 * math.pi))

    def log_prob(self, z):
        return ops.sum(self.marginal_log_prob(z), axis=-1)

    def kl_divergence_per_dimension(self, prior):
        """Returns the KL of each dimension, `(batch, latent_dim)`, or `None`."""
        if not isinstance(prior, StandardNormal):
            return None
        # Not exp - 1, which loses the digits of a KL near 0.
        excess = ops.expm1(self.z_log_var) - self.z_log_var
        return 0.5 * (excess + ops.square(self.z_mean))

    def kl_divergence(self, prior):
        per_dimension = self.kl_divergence_per_dimension(prior)
        return None if per_dimension is None else ops.sum(per_dimension, axis=-1)

    def take(self, rows):
        return DiagonalNormal(*(ops.take(p, rows, axis=0) for p in (self.z_mean, self.z_log_var)))

    def stop_gradient(self):
        return DiagonalNormal(ops.stop_gradient(self.z_mean), ops.stop_gradient(self.z_log_var))


@keras.saving.register_keras_serializable(package="keras_vae")
class DiagonalNormalHead(PosteriorHead):
    """Two dense layers, to `z_mean` and `z_log_var`, each of shape `(batch, latent_dim)`.

    `z_log_var` is log σ² and is clipped to [-20, 10] (σ from 4.5e-5 to 148), so
    that float16 and early training cannot overflow; the gradient passes through.
    """

    distribution = DiagonalNormal
    param_names = ("z_mean", "z_log_var")

    def build(self, input_shape):
        self.z_mean_head = keras.layers.Dense(self.latent_dim, dtype="float32", name="z_mean")
        self.z_log_var_head = keras.layers.Dense(self.latent_dim, dtype="float32", name="z_log_var")
        self.z_mean_head.build(input_shape)
        self.z_log_var_head.build(input_shape)

    def call(self, features):
        z_log_var = bounded(self.z_log_var_head(features), MIN_LOG_VAR, MAX_LOG_VAR)
        return {"z_mean": self.z_mean_head(features), "z_log_var": z_log_var}
