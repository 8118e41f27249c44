"""What the likelihoods of counts compute with."""

import keras
from keras import ops


def compare(target, log_mean):
    """Returns log μ - log x and μ - x of counts x and means μ.

    The two agree to the last digit where x and μ are large and close, so that
    what cancels in a log-probability cancels. For x = 0 the first is log μ.
    """
    log_ratio = log_mean - ops.log(ops.maximum(target, 1.0))
    excess = ops.where(target > 0.0, target * ops.expm1(log_ratio), ops.exp(log_mean))
    return log_ratio, excess


def poisson_draws(rate, seed):
    """Returns one Poisson draw for each rate λ > 0.

    Up to λ = 10 the cumulative probabilities are searched for a uniform number:
    exact, but for tails rarer than 1e-7. Above, a normal number z goes through
    the quantile's expansion in 1 / √λ, whose error is that of its next term:
    0.01 of a count at λ = 10 and |z| = 2, and less for larger λ.

    Args:
        rate: λ, float32, of any shape.
        seed: a `keras.random.SeedGenerator` or `None`.

    Reference:
        Giles, "Algorithm 955: approximation of the inverse Poisson cumulative
        distribution function", 2016, approximation Q_N2.
    """
    is_small = rate < 10.0
    small = ops.where(is_small, rate, 1.0)
    u = keras.random.uniform(ops.shape(rate), dtype="float32", seed=seed)

    def next_count(k, state):
        count, p, cumulative = state
        # Past the last p that counts, rounding could leave u above the sum forever.
        above = ops.logical_and(u >= cumulative, p > 1e-9)
        p = p * small / ops.cast(k + 1, "float32")
        return count + ops.cast(above, "float32"), p, cumulative + p

    p = ops.exp(-small)
    searched, _, _ = ops.fori_loop(0, 45, next_count, (ops.zeros_like(p), p, p))

    large = ops.where(is_small, 10.0, rate)
    root = ops.sqrt(large)
    z = keras.random.normal(ops.shape(rate), dtype="float32", seed=seed)
    quantile = large + root * z + (2.0 + z * z) / 6.0 - z * (2.0 + z * z) / (72.0 * root)
    return ops.where(is_small, searched, ops.maximum(ops.floor(quantile), 0.0))
