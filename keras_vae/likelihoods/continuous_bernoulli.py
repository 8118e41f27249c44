"""Continuous Bernoulli likelihood, a normalized density for intensities in [0, 1]."""

import math

import keras
from keras import ops

from keras_vae.likelihoods.bernoulli import Bernoulli
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


@serializable(old="ContinuousBernoulli")
class ContinuousBernoulli(Bernoulli):
    """log p(x|z) = Σ x log λ + (1 - x) log(1 - λ) + log C(λ), in nats, x in [0, 1].

    What the Bernoulli likelihood lacks for data between 0 and 1 is C(λ), which
    makes this a density. In the logits l of λ, C = l / tanh(l / 2). The mean of
    x is not λ.

    Args:
        from_logits: whether the decoder gives logits of λ or λ itself, kept
            1e-7 away from 0 and 1.

    Reference:
        Loaiza-Ganem & Cunningham, "The continuous Bernoulli: fixing a
        pervasive error in variational autoencoders", 2019, equations 6 to 9.
    """

    def log_prob_per_feature(self, target, params) -> Tensor:
        logits, size, near_zero = self._logits(params)
        log_c = ops.where(
            near_zero,
            math.log(2.0) + ops.square(logits) / 12.0,
            ops.log(size) - ops.log(ops.tanh(0.5 * size)),
        )
        return super().log_prob_per_feature(target, params) + log_c

    def mean(self, params) -> Tensor:
        logits, size, _ = self._logits(params)
        upper = ops.sigmoid(size) / ops.tanh(0.5 * size) - 1.0 / size
        # The series of 1 / (1 - e^-l) - 1 / l, as the two terms cancel near l = 0.
        is_small = ops.abs(logits) < 1.0
        s = ops.square(ops.where(is_small, logits, 0.0))
        series = 1 / 12 - s * (1 / 720 - s * (1 / 30240 - s * (1 / 1209600 - s / 47900160)))
        return ops.where(is_small, 0.5 + logits * series, _mirror(upper, logits))

    def sample(self, params, seed=None) -> Tensor:
        logits, size, near_zero = self._logits(params)
        u = keras.random.uniform(ops.shape(logits), seed=seed)
        v = _mirror(u, logits)
        large = 1.0 + ops.log(v + (1.0 - v) * ops.exp(-size)) / size
        is_small = ops.logical_and(ops.abs(logits) < 1.0, ops.logical_not(near_zero))
        small = ops.where(is_small, logits, 1.0)
        draw = ops.where(is_small, ops.log1p(u * ops.expm1(small)) / small, _mirror(large, logits))
        # The quantile's series, exact there to 1e-7.
        change = u * (1.0 - u) * logits * (0.5 + (1.0 - 2.0 * u) * logits / 6.0)
        return ops.clip(ops.where(near_zero, u + change, draw), 0.0, 1.0)

    def _logits(self, params):
        """Returns the logits, their size kept off zero, and where that was needed."""
        logits = ops.cast(params, "float32")
        if not self.from_logits:
            p = ops.clip(logits, 1e-7, 1.0 - 1e-7)
            logits = ops.log(p) - ops.log(1.0 - p)
        near_zero = ops.abs(logits) < 0.02
        return logits, ops.where(near_zero, 1.0, ops.abs(logits)), near_zero


def _mirror(upper, logits):
    """Returns a value for positive logits, or its mirror image in 1/2 for negative ones."""
    return ops.where(logits > 0.0, upper, 1.0 - upper)
