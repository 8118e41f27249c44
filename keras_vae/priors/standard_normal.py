"""Standard normal prior, N(0, I)."""

from keras_vae import distributions
from keras_vae.priors.base import Prior
from keras_vae.saving.registry import serializable


@serializable(old="StandardNormal")
class StandardNormal(Prior):
    """p(z) = N(0, I) over the latent dimensions.

    Args:
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.
    """

    takes_grids = True

    def distribution(self) -> distributions.StandardNormal:
        return distributions.StandardNormal(self.event_shape)
