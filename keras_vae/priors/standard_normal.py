"""Standard normal prior, N(0, I)."""

import math

import keras
from keras import ops

from keras_vae.backend import normal
from keras_vae.saving.seeded_layer import SeededLayer
from keras_vae.validation.arguments import plain


@keras.saving.register_keras_serializable(package="keras_vae")
class StandardNormal(SeededLayer):
    """p(z) = N(0, I) over the latent dimensions.

    The VAE builds its prior; on its own, call `build((None, latent_dim))`.

    Args:
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.
    """

    support = "real"

    def build(self, input_shape):
        self.latent_dim = input_shape[-1]

    def log_prob(self, z):
        """Returns log p(z) in nats, summed over the last axis of `z`."""
        return ops.sum(-0.5 * (ops.square(z) + math.log(2.0 * math.pi)), axis=-1)

    def sample(self, n: int, seed: int | None = None):
        """Returns `n` draws, of shape `(n, latent_dim)`; a `seed` makes them repeatable."""
        seed = self.seed_generator if seed is None else plain(seed)
        return normal((n, self.latent_dim), seed)
