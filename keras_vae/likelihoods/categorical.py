"""Categorical likelihood over the last axis, for one-hot data."""

import keras
import numpy as np
from keras import ops

from keras_vae.likelihoods.base import Likelihood, check_logits_or_probabilities
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


@serializable(old="Categorical")
class Categorical(Likelihood):
    """log p(x|z) = Σ x log p, in nats, x one-hot and p normalized over the last axis.

    Args:
        from_logits: whether the decoder gives unnormalized log-probabilities
            or p itself, kept 1e-7 away from 0.
    """

    def __init__(self, from_logits: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.from_logits = bool(from_logits)

    def log_prob_per_feature(self, target, params) -> Tensor:
        if self.from_logits:
            return target * ops.log_softmax(params, axis=-1)
        return target * ops.log(ops.clip(params, 1e-7, 1.0))

    def mean(self, params) -> Tensor:
        params = ops.cast(params, "float32")
        return ops.softmax(params, axis=-1) if self.from_logits else params

    def sample(self, params, seed=None) -> Tensor:
        shape = ops.shape(params)
        params = ops.cast(params, "float32")
        # Not 1e-7 each, which would be much for many categories.
        log_p = params if self.from_logits else ops.log(ops.maximum(params, 1e-30))
        draws = keras.random.categorical(ops.reshape(log_p, (-1, shape[-1])), 1, seed=seed)
        return ops.reshape(ops.one_hot(draws, shape[-1], dtype="float32"), shape)

    def as_data(self, mean) -> np.ndarray:
        """Returns the likeliest category, one-hot."""
        return np.eye(mean.shape[-1], dtype="float32")[mean.argmax(axis=-1)]

    def check_target(self, target) -> None:
        rows = target[~np.isnan(target).any(axis=-1)]  # NaN: not observed
        sums = rows.sum(axis=-1, dtype="float64")
        if rows.size and (rows.min() < 0 or not np.allclose(sums, 1.0, atol=1e-3)):
            raise ValueError(
                "Categorical needs one-hot data (non-negative, summing to 1 over the last axis); "
                f"the data goes from {rows.min():.6g} to {rows.max():.6g} and its last axis "
                f"sums to values from {sums.min():.6g} to {sums.max():.6g}. "
                "keras.utils.to_categorical makes integer categories one-hot."
            )

    def check_holes(self, missing) -> None:
        partly = missing.any(axis=-1) & ~missing.all(axis=-1)
        if partly.any():
            raise ValueError(
                "A category is observed or missing as a whole: NaN in all places of its one-hot "
                f"vector or in none. In row {np.argwhere(partly)[0][0]} it is in some."
            )

    def check_params(self, params) -> None:
        check_logits_or_probabilities("Categorical", params, self.from_logits)

    def get_config(self) -> dict:
        return {**super().get_config(), "from_logits": self.from_logits}
