"""Negative binomial likelihood, for counts that vary more than Poisson ones."""

import keras
from keras import ops

from keras_vae.likelihoods.counts import (
    exp_remainder,
    log_ratio,
    log_remainder,
    poisson_draws,
)
from keras_vae.likelihoods.zero_inflation import ZeroInflatable
from keras_vae.numerics.log_gamma import stirling_remainder
from keras_vae.numerics.straight_through import bounded
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


@serializable(old="NegativeBinomial")
class NegativeBinomial(ZeroInflatable):
    """Counts x = 0, 1, 2, ... of mean μ and variance μ + μ²/θ.

    log p(x|z) = Σ log Γ(x + θ) - log Γ(θ) - log x! + θ log(θ / (θ + μ))
    + x log(μ / (θ + μ)), in nats. The decoder gives two params per feature: all
    log μ, kept in [-20, 20], then all log θ, kept in [-10, 20]. For large θ it is
    the Poisson likelihood.

    Args:
        zero_inflated: whether a count is 0 with an extra probability π. The
            decoder then gives a third block, the logits of all π.

    Reference:
        Lopez et al., "Deep generative modeling for single-cell transcriptomics"
        (scVI), 2018, methods; Loader, "Fast and accurate computation of binomial
        probabilities", 2000, for the idea of the stable formula.
    """

    blocks_of_count = 2

    def log_prob_of_count(self, target, log_mean, log_theta) -> Tensor:
        theta = ops.exp(bounded(log_theta, -10.0, 20.0))
        log_mean = bounded(log_mean, -20.0, 20.0)
        return (
            stirling_remainder(target + theta)
            - stirling_remainder(theta)
            - stirling_remainder(target)
            - ops.log1p(target / theta)
            - _deficit(target, log_mean, theta)
        )

    def mean_of_count(self, log_mean, log_theta) -> Tensor:
        return ops.exp(bounded(log_mean, -20.0, 20.0))

    def sample_count(  # type: ignore[override]  # its own blocks
        self, log_mean, log_theta, seed
    ) -> Tensor:
        theta = ops.exp(bounded(log_theta, -10.0, 20.0))
        gamma = keras.random.gamma(ops.shape(theta), theta, dtype="float32", seed=seed)
        rate = self.mean_of_count(log_mean, log_theta) * gamma / theta
        return poisson_draws(rate, seed)


def _deficit(x, log_mean, theta):
    """Returns (x + θ) log((θ + μ) / (θ + x)) - x log(μ / x), which is 0 at μ = x and else above.

    With s = x / (x + θ) and d = log(μ / x) it is (x + θ) (log(1 + s (e^d - 1)) - s d), and
    the same with θ in place of x and -d of d. Of the two, that of the smaller s cancels less.
    """
    d = log_ratio(log_mean, x)
    x_is_smaller = x < theta
    smaller = ops.where(x_is_smaller, x, theta)
    d = ops.where(x_is_smaller, d, -d)
    is_small = ops.abs(d) < 0.5
    near, far = ops.where(is_small, d, 0.0), ops.where(is_small, 1.0, d)
    share = smaller / (x + theta)
    of_near = smaller * exp_remainder(near) - (x + theta) * log_remainder(share * ops.expm1(near))
    of_far = (x + theta) * ops.log1p(share * ops.expm1(far)) - smaller * far
    deficit = ops.where(is_small, of_near, of_far)
    return ops.where(x > 0.0, deficit, theta * ops.log1p(ops.exp(log_mean) / theta))
