"""Negative binomial likelihood, for counts that vary more than Poisson ones."""

import keras
from keras import ops

from keras_vae.bounds import bounded
from keras_vae.likelihoods.counts import compare, poisson_draws
from keras_vae.likelihoods.zero_inflation import ZeroInflatable
from keras_vae.log_gamma import stirling_remainder


@keras.saving.register_keras_serializable(package="keras_vae")
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

    def log_prob_of_count(self, target, log_mean, log_theta):
        theta = ops.exp(bounded(log_theta, -10.0, 20.0))
        log_mean = bounded(log_mean, -20.0, 20.0)
        log_ratio, excess = compare(target, log_mean)
        # log((θ + x) / (θ + μ)), as log1p of what is positive whichever of x, μ is larger.
        below = excess > 0.0
        smaller = ops.where(below, target, ops.exp(log_mean))
        log_total = ops.log1p(ops.where(below, excess, -excess) / (theta + smaller))
        log_total = ops.where(below, -log_total, log_total)
        return (
            stirling_remainder(target + theta)
            - stirling_remainder(theta)
            - stirling_remainder(target)
            - ops.log1p(target / theta)
            + (target + theta) * log_total
            + target * log_ratio
        )

    def mean_of_count(self, log_mean, log_theta):
        return ops.exp(bounded(log_mean, -20.0, 20.0))

    def sample_count(self, log_mean, log_theta, seed):
        theta = ops.exp(bounded(log_theta, -10.0, 20.0))
        gamma = keras.random.gamma(ops.shape(theta), theta, dtype="float32", seed=seed)
        rate = self.mean_of_count(log_mean, log_theta) * gamma / theta
        return poisson_draws(rate, seed)
