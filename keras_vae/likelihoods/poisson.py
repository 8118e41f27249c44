"""Poisson likelihood, for counts."""

from keras import ops

from keras_vae.likelihoods.counts import exp_remainder, log_ratio, poisson_draws
from keras_vae.likelihoods.zero_inflation import ZeroInflatable
from keras_vae.numerics.log_gamma import stirling_remainder
from keras_vae.numerics.straight_through import bounded
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


@serializable(old="Poisson")
class Poisson(ZeroInflatable):
    """log p(x|z) = Σ x log λ - λ - log x!, in nats, for counts x = 0, 1, 2, ...

    The decoder gives log λ, kept in [-20, 20].

    Args:
        zero_inflated: whether a count is 0 with an extra probability π, as when
            an instrument misses some. The decoder then gives two params per
            feature: all log λ, then the logits of all π.

    Reference:
        Lambert, "Zero-inflated Poisson regression, with an application to
        defects in manufacturing", 1992, section 2; Loader, "Fast and accurate
        computation of binomial probabilities", 2000, for the idea of the stable formula.
    """

    def log_prob_of_count(self, target, log_rate) -> Tensor:
        log_rate = bounded(log_rate, -20.0, 20.0)
        # x log λ - λ is largest at λ = x: less than there by this.
        deficit = target * exp_remainder(log_ratio(log_rate, target))
        deficit = ops.where(target > 0.0, deficit, ops.exp(log_rate))
        return -deficit - stirling_remainder(target)

    def mean_of_count(self, log_rate) -> Tensor:
        return ops.exp(bounded(log_rate, -20.0, 20.0))

    def sample_count(self, log_rate, seed) -> Tensor:  # type: ignore[override]  # its own blocks
        return poisson_draws(self.mean_of_count(log_rate), seed)
