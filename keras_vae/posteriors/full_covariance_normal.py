"""Normal posterior with a full covariance, q(z|x) = N(z_mean, L Lᵀ)."""

import math

import keras
import numpy as np
from keras import ops

from keras_vae.numerics.straight_through import bounded
from keras_vae.posteriors.diagonal_normal import MAX_LOG_VAR, MIN_LOG_VAR
from keras_vae.posteriors.posterior import Posterior, PosteriorHead
from keras_vae.priors.standard_normal import StandardNormal


class FullCovarianceNormal(Posterior):
    """A normal whose latent dimensions may be correlated given x.

    Args:
        z_mean: shape `(batch, latent_dim)`.
        z_scale_tril: L, lower triangular with a positive diagonal, of shape
            `(batch, latent_dim, latent_dim)`; the covariance is L Lᵀ.

    Reference:
        Kingma & Welling, "An introduction to variational autoencoders", 2019,
        section 2.5.1.
    """

    def __init__(self, z_mean, z_scale_tril):
        self.z_mean = ops.convert_to_tensor(z_mean, "float32")
        self.z_scale_tril = ops.convert_to_tensor(z_scale_tril, "float32")
        self._log_diagonal = ops.log(ops.diagonal(self.z_scale_tril, axis1=-2, axis2=-1))

    def mean(self):
        """Returns `z_mean`, of shape `(batch, latent_dim)`."""
        return self.z_mean

    def covariance(self):
        """Returns L Lᵀ, of shape `(batch, latent_dim, latent_dim)`."""
        return ops.matmul(self.z_scale_tril, ops.transpose(self.z_scale_tril, (0, 2, 1)))

    def std(self):
        return ops.sqrt(ops.sum(ops.square(self.z_scale_tril), axis=-1))

    def from_base(self, z_0):
        z = self.z_mean + ops.squeeze(
            ops.matmul(self.z_scale_tril, ops.expand_dims(z_0, -1)), axis=-1
        )
        return z, self._log_prob_of_standardized(z_0)

    def log_prob(self, z):
        identity = np.eye(self.z_mean.shape[-1], dtype="float32")
        identity = ops.broadcast_to(identity, ops.shape(self.z_scale_tril))
        # The inverse, once per input: it serves any number of z.
        inverse = ops.solve_triangular(self.z_scale_tril, identity, lower=True)
        difference = ops.convert_to_tensor(z, "float32") - self.z_mean
        standardized = ops.matmul(inverse, ops.expand_dims(difference, -1))
        return self._log_prob_of_standardized(ops.squeeze(standardized, axis=-1))

    def _log_prob_of_standardized(self, epsilon):
        normal = -0.5 * ops.sum(ops.square(epsilon) + math.log(2.0 * math.pi), axis=-1)
        return normal - ops.sum(self._log_diagonal, axis=-1)

    def marginal_log_prob(self, z):
        """Returns log q(z_d|x) of each dimension, of the shape of `z`."""
        variance = ops.sum(ops.square(self.z_scale_tril), axis=-1)
        difference = ops.convert_to_tensor(z, "float32") - self.z_mean
        square = ops.square(difference) / variance
        return -0.5 * (square + ops.log(variance) + math.log(2.0 * math.pi))

    def kl_divergence_per_dimension(self, prior):
        """Returns a split of the KL over dimensions, `(batch, latent_dim)`, or `None`.

        Dimension d has its own trace, mean and log L_dd; these sum to the KL.
        """
        if not isinstance(prior, StandardNormal):
            return None
        below_diagonal = np.tri(self.z_mean.shape[-1], k=-1, dtype="float32")
        square = ops.sum(ops.square(self.z_scale_tril) * ops.array(below_diagonal), axis=-1)
        # Not L_dd² - 1, which loses the digits of a KL near 0.
        log_var = 2.0 * self._log_diagonal
        return 0.5 * (ops.expm1(log_var) - log_var + square + ops.square(self.z_mean))

    def kl_divergence(self, prior):
        per_dimension = self.kl_divergence_per_dimension(prior)
        return None if per_dimension is None else ops.sum(per_dimension, axis=-1)

    def take(self, rows):
        params = (self.z_mean, self.z_scale_tril)
        return FullCovarianceNormal(*(ops.take(p, rows, axis=0) for p in params))

    def stop_gradient(self):
        return FullCovarianceNormal(
            ops.stop_gradient(self.z_mean), ops.stop_gradient(self.z_scale_tril)
        )


@keras.saving.register_keras_serializable(package="keras_vae")
class FullCovarianceNormalHead(PosteriorHead):
    """Dense layers to `z_mean`, `(batch, latent_dim)`, and `z_scale_tril`.

    L = diag(exp(½·s)) (I + B), with s clipped to [-20, 10] as the log σ² of
    `DiagonalNormalHead`, and B strictly lower triangular, relative to the
    diagonal as the posterior's scale is small; it starts at 0.
    """

    distribution = FullCovarianceNormal
    param_names = ("z_mean", "z_scale_tril")

    def build(self, input_shape):
        d = self.latent_dim
        rows, columns = np.tril_indices(d, k=-1)
        self.z_mean_head = keras.layers.Dense(d, dtype="float32", name="z_mean")
        self.diagonal_head = keras.layers.Dense(d, dtype="float32", name="diagonal")
        self.z_mean_head.build(input_shape)
        self.diagonal_head.build(input_shape)
        self.below_head = None
        if d > 1:
            self.below_head = keras.layers.Dense(
                len(rows), kernel_initializer="zeros", dtype="float32", name="below_diagonal"
            )
            self.below_head.build(input_shape)
        # Row i of the matrix places entry i below the diagonal.
        self._place = np.zeros((len(rows), d * d), "float32")
        self._place[np.arange(len(rows)), rows * d + columns] = 1.0

    def call(self, features):
        log_var = bounded(self.diagonal_head(features), MIN_LOG_VAR, MAX_LOG_VAR)
        tril = ops.array(np.eye(self.latent_dim, dtype="float32"))
        if self.below_head is not None:
            below = ops.matmul(self.below_head(features), ops.array(self._place))
            tril = tril + ops.reshape(below, (-1, self.latent_dim, self.latent_dim))
        scale_tril = ops.expand_dims(ops.exp(0.5 * log_var), -1) * tril
        return {"z_mean": self.z_mean_head(features), "z_scale_tril": scale_tril}
