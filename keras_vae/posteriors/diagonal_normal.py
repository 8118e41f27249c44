"""Diagonal normal posterior, q(z|x) = N(z_mean, exp(z_log_var))."""

import keras
from keras import ops

from keras_vae.distributions.normal import DiagonalNormal
from keras_vae.numerics.straight_through import bounded
from keras_vae.posteriors.base import PosteriorHead
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor

MIN_LOG_VAR = -20.0
MAX_LOG_VAR = 10.0


@serializable(old="DiagonalNormalHead")
class DiagonalNormalHead(PosteriorHead):
    """Two dense layers, to `z_mean` and `z_log_var`, each of shape `(batch, *latent_shape)`.

    `z_log_var` is log σ² and is clipped to [-20, 10] (σ from 4.5e-5 to 148), so
    that float16 and early training cannot overflow; the gradient passes through.
    Features on the grid of the codes become codes place by place.
    """

    distribution_class = DiagonalNormal
    param_names = ("z_mean", "z_log_var")
    takes_grids = True

    def build(self, input_shape) -> None:
        self.place_by_place = tuple(input_shape[1:-1]) == self.latent_shape[:-1]
        units = self.latent_shape[-1] if self.place_by_place else self.latent_dim
        self.z_mean_head = keras.layers.Dense(units, dtype="float32", name="z_mean")
        self.z_log_var_head = keras.layers.Dense(units, dtype="float32", name="z_log_var")
        self.z_mean_head.build(input_shape)
        self.z_log_var_head.build(input_shape)

    def call(self, features) -> dict[str, Tensor]:
        z_log_var = bounded(self.z_log_var_head(features), MIN_LOG_VAR, MAX_LOG_VAR)
        params = {"z_mean": self.z_mean_head(features), "z_log_var": z_log_var}
        if self.place_by_place:
            return params
        return {name: ops.reshape(p, (-1, *self.latent_shape)) for name, p in params.items()}
