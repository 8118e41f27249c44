"""Standard normal prior, N(0, I)."""

import keras

from keras_vae import distributions
from keras_vae.priors.base import Prior


@keras.saving.register_keras_serializable(package="keras_vae")
class StandardNormal(Prior):
    """p(z) = N(0, I) over the latent dimensions.

    Args:
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.
    """

    takes_grids = True

    def distribution(self) -> distributions.StandardNormal:
        return distributions.StandardNormal(self.event_shape)
