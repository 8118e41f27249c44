"""What the likelihoods of counts compute with."""

import keras
import numpy as np
from keras import ops

from keras_vae.typing import Tensor

# e^(k/64) up to what means may be, each in two parts: 48 bits together.
_POWERS = np.exp(np.arange(20 * 64 + 1) / 64)
_POWERS = np.stack([_POWERS, _POWERS - _POWERS.astype("float32")], axis=-1).astype("float32")


def log_ratio(log_mean, count) -> Tensor:
    """Returns log μ - log x of means μ and counts x, to 1e-9 where it is small; log μ for x = 0.

    In float32 log x of a count of 10⁷ is only known to 1e-6, of which a
    log-probability has 10⁷ times as much.
    """
    count = ops.maximum(count, 1.0)
    nearest = ops.clip(ops.round(64.0 * ops.log(count)), 0, len(_POWERS) - 1)
    parts = ops.take(ops.convert_to_tensor(_POWERS), ops.cast(nearest, "int32"), axis=0)
    high, low = parts[..., 0], parts[..., 1]
    # Both differences are exact where they are small.
    rest = ops.log1p(((count - high) - low) / high)
    return (log_mean - nearest / 64.0) - rest


def exp_remainder(x) -> Tensor:
    """Returns e^x - 1 - x, to the last digits."""
    is_small = ops.abs(x) < 0.5
    s = ops.where(is_small, x, 0.0)
    series = 1 / 2 + s * (1 / 6 + s * (1 / 24 + s * (1 / 120 + s * (1 / 720 + s * (1 / 5040)))))
    series = s * s * (series + s**6 / 40320)
    return ops.where(is_small, series, ops.expm1(ops.where(is_small, 1.0, x)) - x)


def log_remainder(x) -> Tensor:
    """Returns x - log(1 + x) for x from -0.3 to 0.4, to the last digits."""
    r = x / (2.0 + x)
    s = r * r
    return r * (x - 2.0 * s * (1 / 3 + s * (1 / 5 + s * (1 / 7 + s * (1 / 9 + s / 11)))))


def poisson_draws(rate, seed) -> Tensor:
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
