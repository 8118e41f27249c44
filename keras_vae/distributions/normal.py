"""Normal distributions: standard, diagonal and with a full covariance."""

import math

import numpy as np
from keras import ops

from keras_vae.backend import normal
from keras_vae.distributions.base import Distribution
from keras_vae.distributions.kl import register_kl_per_dimension
from keras_vae.distributions.reparameterized import Reparameterized
from keras_vae.typing import Tensor

LOG_2_PI = math.log(2.0 * math.pi)


def standard_log_density(x) -> Tensor:
    """Returns the log-density of N(0, 1) at each number of x."""
    return -0.5 * (ops.square(x) + LOG_2_PI)


def log_density(x, mean, log_var) -> Tensor:
    """Returns the log-density of N(mean, exp(log_var)) at each number of x."""
    square = ops.square((x - mean) * ops.exp(-0.5 * log_var))
    return -0.5 * (square + log_var + LOG_2_PI)


class StandardNormal(Distribution):
    """N(0, I).

    Args:
        event_shape: the shape of one draw.
    """

    closed_forms = frozenset({"mean", "mode", "std", "marginal_log_prob"})

    def __init__(self, event_shape: tuple[int, ...]):
        self.event_shape = tuple(event_shape)

    def _log_prob(self, z):
        return self.sum_over_event(standard_log_density(z))

    def _sample(self, n, seed):
        return normal((n, *self.event_shape), seed)

    def mean(self) -> Tensor:
        return ops.zeros(self.event_shape)

    def mode(self) -> Tensor:
        return self.mean()

    def std(self) -> Tensor:
        return ops.ones(self.event_shape)

    def marginal_log_prob(self, z) -> Tensor:
        return standard_log_density(ops.convert_to_tensor(z, "float32"))


class DiagonalNormal(Reparameterized):
    """N(z_mean, exp(z_log_var)): the distribution of an encoder's `z_mean` and `z_log_var`.

    Args:
        z_mean: shape `(batch, *event_shape)`.
        z_log_var: log σ², of the same shape.

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, appendix B
        (the KL) and C.2.
    """

    param_names = ("z_mean", "z_log_var")
    closed_forms = frozenset({"mean", "mode", "std", "covariance", "marginal_log_prob"})

    def __init__(self, z_mean, z_log_var):
        self.z_mean = ops.convert_to_tensor(z_mean, "float32")
        self.z_log_var = ops.convert_to_tensor(z_log_var, "float32")
        self.event_shape = tuple(self.z_mean.shape[1:])

    def mean(self) -> Tensor:
        """Returns `z_mean`, of shape `(batch, *event_shape)`."""
        return self.z_mean

    def mode(self) -> Tensor:
        return self.z_mean

    def std(self) -> Tensor:
        return ops.exp(0.5 * self.z_log_var)

    def covariance(self) -> Tensor:
        """Returns the diagonal matrices of σ², of shape `(batch, latent_dim, latent_dim)`."""
        return ops.expand_dims(ops.exp(self.z_log_var), -1) * ops.eye(self.z_mean.shape[-1])

    def mean_covariance(self, weight) -> Tensor:
        # Without a matrix for each row.
        variance = ops.sum(weight[:, None] * ops.exp(self.z_log_var), axis=0)
        return ops.expand_dims(variance, -1) * ops.eye(self.z_mean.shape[-1])

    def base(self) -> tuple[Tensor, Tensor]:
        return self.z_mean, self.z_log_var

    def from_base(self, z_0) -> tuple[Tensor, Tensor]:
        return z_0, self.log_prob(z_0)

    def marginal_log_prob(self, z) -> Tensor:
        """Returns log q(z_d|x) of each dimension, of the shape of `z`."""
        return log_density(ops.convert_to_tensor(z, "float32"), self.z_mean, self.z_log_var)

    def _log_prob(self, z):
        return self.sum_over_event(log_density(z, self.z_mean, self.z_log_var))


class FullCovarianceNormal(Reparameterized):
    """N(z_mean, L Lᵀ), whose dimensions may be correlated given x.

    Args:
        z_mean: shape `(batch, latent_dim)`.
        z_scale_tril: L, lower triangular with a positive diagonal, of shape
            `(batch, latent_dim, latent_dim)`; the covariance is L Lᵀ.

    Reference:
        Kingma & Welling, "An introduction to variational autoencoders", 2019,
        section 2.5.1.
    """

    param_names = ("z_mean", "z_scale_tril")
    closed_forms = frozenset({"mean", "mode", "std", "covariance", "marginal_log_prob"})

    def __init__(self, z_mean, z_scale_tril):
        self.z_mean = ops.convert_to_tensor(z_mean, "float32")
        self.z_scale_tril = ops.convert_to_tensor(z_scale_tril, "float32")
        self.event_shape = tuple(self.z_mean.shape[1:])
        self.log_diagonal = ops.log(ops.diagonal(self.z_scale_tril, axis1=-2, axis2=-1))

    def mean(self) -> Tensor:
        """Returns `z_mean`, of shape `(batch, latent_dim)`."""
        return self.z_mean

    def mode(self) -> Tensor:
        return self.z_mean

    def std(self) -> Tensor:
        return ops.sqrt(self._variance())

    def _variance(self):
        return ops.sum(ops.square(self.z_scale_tril), axis=-1)

    def covariance(self) -> Tensor:
        """Returns L Lᵀ, of shape `(batch, latent_dim, latent_dim)`."""
        return ops.matmul(self.z_scale_tril, ops.transpose(self.z_scale_tril, (0, 2, 1)))

    def from_base(self, z_0) -> tuple[Tensor, Tensor]:
        scaled = ops.matmul(self.z_scale_tril, ops.expand_dims(z_0, -1))
        return self.z_mean + ops.squeeze(scaled, axis=-1), self._log_prob_of_standardized(z_0)

    def _log_prob(self, z):
        identity = np.eye(self.z_mean.shape[-1], dtype="float32")
        identity = ops.broadcast_to(identity, ops.shape(self.z_scale_tril))
        # The inverse, once per input: it serves any number of z.
        inverse = ops.solve_triangular(self.z_scale_tril, identity, lower=True)
        standardized = ops.matmul(inverse, ops.expand_dims(z - self.z_mean, -1))
        return self._log_prob_of_standardized(ops.squeeze(standardized, axis=-1))

    def _log_prob_of_standardized(self, epsilon):
        log_det = ops.sum(self.log_diagonal, axis=-1)
        return ops.sum(standard_log_density(epsilon), axis=-1) - log_det

    def marginal_log_prob(self, z) -> Tensor:
        """Returns log q(z_d|x) of each dimension, of the shape of `z`."""
        log_var = ops.log(self._variance())
        return log_density(ops.convert_to_tensor(z, "float32"), self.z_mean, log_var)


@register_kl_per_dimension(DiagonalNormal, StandardNormal)
def _diagonal_to_standard(q, p):
    return _kl_to_standard(q.z_mean, q.z_log_var)


@register_kl_per_dimension(DiagonalNormal, DiagonalNormal)
def _diagonal_to_diagonal(q, p):
    mean = (q.z_mean - p.z_mean) * ops.exp(-0.5 * p.z_log_var)
    return _kl_to_standard(mean, q.z_log_var - p.z_log_var)


@register_kl_per_dimension(FullCovarianceNormal, StandardNormal)
def _full_to_standard(q, p):
    """A split over dimensions: d has its own trace, mean and log L_dd; these sum to the KL."""
    below_diagonal = np.tri(q.z_mean.shape[-1], k=-1, dtype="float32")
    below = ops.sum(ops.square(q.z_scale_tril) * ops.array(below_diagonal), axis=-1)
    return _kl_to_standard(q.z_mean, 2.0 * q.log_diagonal) + 0.5 * below


def _kl_to_standard(mean, log_var):
    # Not exp - 1, which loses the digits of a KL near 0.
    return 0.5 * (ops.expm1(log_var) - log_var + ops.square(mean))
