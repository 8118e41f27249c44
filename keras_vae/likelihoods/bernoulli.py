"""Bernoulli likelihood, for binary data and for intensities in [0, 1]."""

import keras
from keras import ops

from keras_vae.likelihoods.base import (
    Likelihood,
    check_logits_or_probabilities,
    check_unit_interval,
)
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


@serializable(old="Bernoulli")
class Bernoulli(Likelihood):
    """log p(x|z) = Σ x log p + (1 - x) log(1 - p), in nats.

    For x strictly between 0 and 1 this is the usual cross-entropy, which is
    not a normalized density.

    Args:
        from_logits: whether the decoder gives logits (log-odds of p), the
            stable choice, or p itself. Probabilities are kept 1e-7 away from
            0 and 1.

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, equation 11.
    """

    def __init__(self, from_logits: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.from_logits = bool(from_logits)

    def log_prob_per_feature(self, target, params) -> Tensor:
        if self.from_logits:
            return target * params - ops.softplus(params)
        p = ops.clip(params, 1e-7, 1.0 - 1e-7)
        return target * ops.log(p) + (1.0 - target) * ops.log(1.0 - p)

    def mean(self, params) -> Tensor:
        params = ops.cast(params, "float32")
        return ops.sigmoid(params) if self.from_logits else params

    def sample(self, params, seed=None) -> Tensor:
        p = self.mean(params)
        return ops.cast(keras.random.uniform(ops.shape(p), seed=seed) < p, "float32")

    def check_target(self, target) -> None:
        check_unit_interval(type(self).__name__, target)

    def check_params(self, params) -> None:
        check_logits_or_probabilities(type(self).__name__, params, self.from_logits)

    def get_config(self) -> dict:
        return {**super().get_config(), "from_logits": self.from_logits}
