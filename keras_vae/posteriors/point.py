"""Point posterior: the code of x is a point, as of an autoencoder."""

import keras

from keras_vae.distributions.point import PointMass
from keras_vae.posteriors.base import PosteriorHead
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


@serializable()
class PointHead(PosteriorHead):
    """A dense layer to `z_mean`, `(batch, *latent_shape)`, which is z: nothing is drawn.

    It has no density, and so no KL: its objective is a `keras_vae.objectives.RAE`. `score`
    and `log_likelihood` are not defined. Features on the grid of the codes become codes
    place by place.

    Reference:
        Ghosh et al., "From variational to deterministic autoencoders", 2020, section 3.
    """

    distribution_class = PointMass
    param_names = ("z_mean",)
    takes_grids = True

    def build(self, input_shape) -> None:
        self.place_by_place = tuple(input_shape[1:-1]) == self.latent_shape[:-1]
        units = self.latent_shape[-1] if self.place_by_place else self.latent_dim
        self.z_mean_head = keras.layers.Dense(units, dtype="float32", name="z_mean")
        self.z_mean_head.build(input_shape)

    def call(self, features) -> dict[str, Tensor]:
        z_mean = self.z_mean_head(features)
        if not self.place_by_place:
            z_mean = keras.ops.reshape(z_mean, (-1, *self.latent_shape))
        return {"z_mean": z_mean}
