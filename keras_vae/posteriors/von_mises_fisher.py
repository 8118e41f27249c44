"""Von Mises-Fisher posterior: a bell on the unit sphere, q(z|x) ∝ exp(κ μᵀz)."""

import keras
from keras import ops

from keras_vae.distributions.von_mises_fisher import VonMisesFisher, unit
from keras_vae.posteriors.base import PosteriorHead
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor

MAX_CONCENTRATION = 1e4


@serializable(old="VonMisesFisherHead")
class VonMisesFisherHead(PosteriorHead):
    """Dense layers to `z_mean`, of unit length, and `z_concentration`, κ in [1, 10⁴].

    `latent_dim` is the dimension of the space around the sphere, at least 2.
    """

    distribution_class = VonMisesFisher
    param_names = ("z_mean", "z_concentration")

    def build(self, input_shape) -> None:
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

    def call(self, features) -> dict[str, Tensor]:
        kappa = 1.0 + ops.softplus(self.concentration_head(features))
        return {
            "z_mean": unit(self.z_mean_head(features)),
            "z_concentration": ops.minimum(kappa, MAX_CONCENTRATION),
        }
