"""Von Mises-Fisher posterior: a bell on the unit sphere, q(z|x) ∝ exp(κ μᵀz)."""

import functools
import math

import keras
import numpy as np
from keras import ops

from keras_vae.posteriors.posterior import Posterior, PosteriorHead
from keras_vae.priors.uniform_on_sphere import UniformOnSphere, log_area
from keras_vae.training.backend import normal_cdf

N_NODES = 256
MAX_CONCENTRATION = 1e4


class VonMisesFisher(Posterior):
    """A distribution of unit vectors around a direction.

    All that is not elementary depends on w = μᵀz alone, whose density
    ∝ exp(κw)(1 - w²)^((d-3)/2) is integrated numerically on nodes that follow its
    peak (those of Ulrich's envelope), in place of Bessel functions. The same
    nodes give w by inversion of its distribution function, so that a draw has
    the exact gradient with respect to κ, without rejections.

    Args:
        z_mean: μ, unit vectors of shape `(batch, latent_dim)`.
        z_concentration: κ > 0, of shape `(batch, 1)`.

    Reference:
        Davidson et al., "Hyperspherical variational auto-encoders", 2018,
        section 3; Ulrich, "Computer generation of distributions on the
        m-sphere", 1984 (the envelope).
    """

    support = "sphere"

    def __init__(self, z_mean, z_concentration):
        self.z_mean = ops.convert_to_tensor(z_mean, "float32")
        self.z_concentration = ops.convert_to_tensor(z_concentration, "float32")
        d, kappa = self.z_mean.shape[-1], self.z_concentration
        # Of Ulrich's envelope, which is w = (1 - (1 + b)e) / (1 - (1 - b)e), e in (0, 1).
        self._b = (d - 1.0) / (2.0 * kappa + ops.sqrt(4.0 * ops.square(kappa) + (d - 1.0) ** 2))

    @functools.cached_property
    def _nodes(self):
        """1 - w and the mass at the nodes, `(batch, n)`, and log ∫ exp(κ(w - 1))(...) dw."""
        d, kappa = self.z_mean.shape[-1], self.z_concentration
        theta = (np.arange(N_NODES) + 0.5) * (math.pi / N_NODES)
        e = ops.array(0.5 - 0.5 * np.cos(theta), "float32")  # in (0, 1)
        log_denominator = ops.log(1.0 - (1.0 - self._b) * e)
        one_minus_w = 2.0 * self._b * e * ops.exp(-log_denominator)
        # (1 - w²)^((d-3)/2) |dw/dθ|; the sines are those of e's own density.
        log_mass = (
            -kappa * one_minus_w
            + 0.5 * (d - 1.0) * ops.log(4.0 * self._b)
            - (d - 1.0) * log_denominator
            + ops.array((d - 2.0) * np.log(np.sin(theta) / 2.0) - math.log(2.0), "float32")
            + math.log(math.pi / N_NODES)
        )
        log_integral = ops.logsumexp(log_mass, axis=-1)
        return one_minus_w, ops.exp(log_mass - log_integral[:, None]), log_integral

    def mean_length(self):
        """Returns E[μᵀz], the length of the mean vector, of shape `(batch,)`."""
        one_minus_w, mass, _ = self._nodes
        return 1.0 - ops.sum(mass * one_minus_w, axis=-1)

    def mean(self):
        """Returns E[z] = E[μᵀz]·μ, inside the sphere, of shape `(batch, latent_dim)`."""
        return ops.expand_dims(self.mean_length(), -1) * self.z_mean

    def std(self):
        """Returns the standard deviation of each dimension of z around `mean`.

        z = wμ + √(1 - w²)·v with w = μᵀz and v uniform across μ, where
        E[1 - w²] = (d - 1)·E[w] / κ.
        """
        one_minus_w, mass, _ = self._nodes
        expected = ops.sum(mass * one_minus_w, axis=-1, keepdims=True)
        # Of 1 - w, as near w = 1 a difference of squares would be rounding.
        along = ops.sum(mass * ops.square(one_minus_w - expected), axis=-1, keepdims=True)
        across = (1.0 - expected) / self.z_concentration
        square = ops.square(self.z_mean)
        return ops.sqrt(along * square + across * ops.maximum(1.0 - square, 0.0))

    def code_and_log_prob(self):
        # The base's mean, 0, has no direction across μ and would give a z inside the sphere.
        return self.z_mean, -self._log_normalizer()

    def _log_normalizer(self):
        """log ∫ exp(κ(μᵀz - 1)) dz over the sphere."""
        return self._nodes[2] + log_area(self.z_mean.shape[-1] - 1)

    def log_prob(self, z):
        difference = ops.convert_to_tensor(z, "float32") - self.z_mean
        # μᵀz - 1 of unit vectors, without the rounding of a product near 1.
        w_minus_one = -0.5 * ops.sum(ops.square(difference), axis=-1)
        return self.z_concentration[:, 0] * w_minus_one - self._log_normalizer()

    def from_base(self, z_0):
        """Maps d standard normals to the sphere: one gives w, the others the direction."""
        _, mass, _ = self._nodes
        u = normal_cdf(z_0[..., :1])
        below = ops.cumsum(mass, axis=-1) - mass
        # θ(u): each cell adds its width times the part of its mass that lies below u.
        part = ops.clip((u - below) / ops.maximum(mass, 1e-9), 0.0, 1.0)
        theta = ops.sum(part, axis=-1, keepdims=True) * (math.pi / N_NODES)
        e = 0.5 - 0.5 * ops.cos(theta)
        one_minus_w = 2.0 * self._b * e / (1.0 - (1.0 - self._b) * e)
        one_minus_w = ops.clip(one_minus_w, 1e-12, 2.0 - 1e-6)
        tangent = _unit(z_0[..., 1:]) * ops.sqrt(one_minus_w * (2.0 - one_minus_w))
        # A reflection that takes the first axis to μ.
        first_axis = ops.eye(self.z_mean.shape[-1])[0]
        normal = _unit(self.z_mean - first_axis)
        at_first_axis = ops.concatenate([1.0 - one_minus_w, tangent], axis=-1)
        along = ops.sum(at_first_axis * normal, axis=-1, keepdims=True)
        z = at_first_axis - 2.0 * along * normal
        return z, -self.z_concentration[:, 0] * one_minus_w[..., 0] - self._log_normalizer()

    def kl_divergence(self, prior):
        """Returns KL(q(z|x) ‖ p(z)) in closed form for the uniform prior, else `None`."""
        if not isinstance(prior, UniformOnSphere):
            return None
        energy = self.z_concentration[:, 0] * (1.0 - self.mean_length())
        return log_area(self.z_mean.shape[-1]) - self._log_normalizer() - energy

    def take(self, rows):
        params = (self.z_mean, self.z_concentration)
        return VonMisesFisher(*(ops.take(p, rows, axis=0) for p in params))

    def stop_gradient(self):
        return VonMisesFisher(
            ops.stop_gradient(self.z_mean), ops.stop_gradient(self.z_concentration)
        )


def _unit(x):
    return x / ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-12)


@keras.saving.register_keras_serializable(package="keras_vae")
class VonMisesFisherHead(PosteriorHead):
    """Dense layers to `z_mean`, of unit length, and `z_concentration`, κ in [1, 10⁴].

    `latent_dim` is the dimension of the space around the sphere, at least 2.
    """

    distribution = VonMisesFisher
    param_names = ("z_mean", "z_concentration")

    def build(self, input_shape):
        if self.latent_dim < 2:
            raise ValueError(
                "A von Mises-Fisher posterior needs latent_dim of at least 2, the circle; "
                f"received latent_dim={self.latent_dim}."
            )
        # Off zero, which has no direction: an encoder of dead ReLUs gives features of zero.
        off_zero = keras.initializers.RandomNormal(stddev=0.1)
        self.z_mean_head = keras.layers.Dense(
            self.latent_dim, bias_initializer=off_zero, dtype="float32", name="z_mean"
        )
        self.z_mean_head.build(input_shape)
        self.concentration_head = keras.layers.Dense(1, dtype="float32", name="concentration")
        self.concentration_head.build(input_shape)

    def call(self, features):
        kappa = 1.0 + ops.softplus(self.concentration_head(features))
        return {
            "z_mean": _unit(self.z_mean_head(features)),
            "z_concentration": ops.minimum(kappa, MAX_CONCENTRATION),
        }
