"""Uniform prior on the unit sphere."""

from keras_vae import distributions
from keras_vae.priors.base import Prior
from keras_vae.saving.registry import serializable


@serializable(old="UniformOnSphere")
class UniformOnSphere(Prior):
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

    def distribution(self) -> distributions.UniformOnSphere:
        return distributions.UniformOnSphere(self.event_shape)
