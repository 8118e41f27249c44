"""Uniform prior on the unit sphere."""

import math

import keras
from keras import ops

from keras_vae.backend import normal
from keras_vae.saving.seeded_layer import SeededLayer
from keras_vae.validation.arguments import plain


def log_area(d: int) -> float:
    """Returns log of the area of the unit sphere in d dimensions: 2π^(d/2) / Γ(d/2)."""
    return math.log(2.0) + 0.5 * d * math.log(math.pi) - math.lgamma(0.5 * d)


@keras.saving.register_keras_serializable(package="keras_vae")
class UniformOnSphere(SeededLayer):
    """p(z) = 1 / area over unit vectors of `latent_dim` dimensions.

    The prior that a von Mises-Fisher posterior has a closed-form KL to.

    Args:
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.

    Reference:
        Davidson et al., "Hyperspherical variational auto-encoders", 2018,
        section 2.2.
    """

    support = "sphere"

    def build(self, input_shape):
        self.latent_dim = input_shape[-1]

    def log_prob(self, z):
        """Returns log p(z) in nats, of the shape of `z` without its last axis."""
        z = ops.convert_to_tensor(z, "float32")
        return ops.zeros_like(z[..., 0]) - log_area(z.shape[-1])

    def sample(self, n: int, seed: int | None = None):
        """Returns `n` draws, of shape `(n, latent_dim)`; a `seed` makes them repeatable."""
        seed = self.seed_generator if seed is None else plain(seed)
        z = normal((n, self.latent_dim), seed)
        return ops.normalize(z, axis=-1)
