"""Diagonal normal posterior, q(z|x) = N(z_mean, exp(z_log_var))."""

import math

import keras
from keras import ops

from keras_vae.priors import StandardNormal


class DiagonalNormal:
    """The distribution that an encoder's `z_mean` and `z_log_var` describe.

    Args:
        z_mean: shape `(batch, latent_dim)`.
        z_log_var: log σ², of the same shape.
    """

    def __init__(self, z_mean, z_log_var):
        self.z_mean = ops.convert_to_tensor(z_mean, "float32")
        self.z_log_var = ops.convert_to_tensor(z_log_var, "float32")

    def mean(self):
        """Returns `z_mean`, of shape `(batch, latent_dim)`."""
        return self.z_mean

    def sample(self, n: int, seed=None):
        """Returns `n` draws, of shape `(n, batch, latent_dim)`."""
        epsilon = keras.random.normal((n, *ops.shape(self.z_mean)), dtype="float32", seed=seed)
        return self.z_mean + ops.exp(0.5 * self.z_log_var) * epsilon

    def log_prob(self, z):
        """Returns log q(z|x) in nats, summed over latent dimensions.

        Args:
            z: shape `(batch, latent_dim)` or `(n_samples, batch, latent_dim)`.

        Returns:
            Shape `(batch,)` or `(n_samples, batch)`.
        """
        z = ops.convert_to_tensor(z, "float32")
        square = ops.square(z - self.z_mean) * ops.exp(-self.z_log_var)
        return -0.5 * ops.sum(square + self.z_log_var + math.log(2.0 * math.pi), axis=-1)

    def kl_divergence(self, prior):
        """Returns KL(q(z|x) ‖ p(z)) in nats in closed form, or `None` where there is none.

        Args:
            prior: a prior; `StandardNormal` has a closed form.

        Returns:
            Shape `(batch,)`, summed over latent dimensions.

        Reference:
            Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, appendix B.
        """
        if not isinstance(prior, StandardNormal):
            return None
        per_dimension = ops.exp(self.z_log_var) + ops.square(self.z_mean) - 1.0 - self.z_log_var
        return 0.5 * ops.sum(per_dimension, axis=-1)
