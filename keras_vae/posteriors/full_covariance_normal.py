"""Normal posterior with a full covariance, q(z|x) = N(z_mean, L Lᵀ)."""

import keras
import numpy as np
from keras import ops

from keras_vae.distributions.normal import FullCovarianceNormal
from keras_vae.numerics.straight_through import bounded
from keras_vae.posteriors.base import PosteriorHead
from keras_vae.posteriors.diagonal_normal import MAX_LOG_VAR, MIN_LOG_VAR
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


@serializable(old="FullCovarianceNormalHead")
class FullCovarianceNormalHead(PosteriorHead):
    """Dense layers to `z_mean`, `(batch, latent_dim)`, and `z_scale_tril`.

    L = diag(exp(½·s)) (I + B), with s clipped to [-20, 10] as the log σ² of
    `DiagonalNormalHead`, and B strictly lower triangular, relative to the
    diagonal as the posterior's scale is small; it starts at 0.
    """

    distribution_class = FullCovarianceNormal
    param_names = ("z_mean", "z_scale_tril")

    def build(self, input_shape) -> None:
        d = self.latent_dim
        rows, columns = np.tril_indices(d, k=-1)
        self.z_mean_head = keras.layers.Dense(d, dtype="float32", name="z_mean")
        self.diagonal_head = keras.layers.Dense(d, dtype="float32", name="diagonal")
        self.z_mean_head.build(input_shape)
        self.diagonal_head.build(input_shape)
        self.below_head = None
        if d > 1:
            self.below_head = keras.layers.Dense(
                len(rows), kernel_initializer="zeros", dtype="float32", name="below_diagonal"
            )
            self.below_head.build(input_shape)
        # Row i of the matrix places entry i below the diagonal.
        self._place = np.zeros((len(rows), d * d), "float32")
        self._place[np.arange(len(rows)), rows * d + columns] = 1.0

    def call(self, features) -> dict[str, Tensor]:
        log_var = bounded(self.diagonal_head(features), MIN_LOG_VAR, MAX_LOG_VAR)
        tril = ops.array(np.eye(self.latent_dim, dtype="float32"))
        if self.below_head is not None:
            below = ops.matmul(self.below_head(features), ops.array(self._place))
            tril = tril + ops.reshape(below, (-1, self.latent_dim, self.latent_dim))
        scale_tril = ops.expand_dims(ops.exp(0.5 * log_var), -1) * tril
        return {"z_mean": self.z_mean_head(features), "z_scale_tril": scale_tril}
