"""Discretized logistic likelihood, for intensities in [0, 1] of some number of levels."""

import keras
from keras import ops

from keras_vae.likelihoods.base import Likelihood, check_unit_interval
from keras_vae.numerics.straight_through import bounded
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_count


@serializable(old="DiscretizedLogistic")
class DiscretizedLogistic(Likelihood):
    """A probability for each of the levels 0, 1/(n-1), ..., 1, in nats.

    log p(x|z) = Σ log[F((x + h - μ)/s) - F((x - h - μ)/s)] with F the logistic
    sigmoid and h half the distance of two levels; the first and the last level
    get all that lies beyond them too. The decoder gives two params per feature:
    all μ, then all log s, kept in [-7, 5], both in the units of x. Other values
    than the levels count as the nearest level.

    Args:
        n_levels: n, such as 256 for 8-bit images divided by 255.

    Raises:
        ValueError: if `n_levels` is not an integer above 1.

    Reference:
        Kingma et al., "Improving variational inference with inverse
        autoregressive flow", 2016, appendix on the decoder; Salimans et al.,
        "PixelCNN++", 2017, equation 2.
    """

    params_per_feature = 2

    def __init__(self, n_levels: int = 256, **kwargs):
        super().__init__(**kwargs)
        self.n_levels = check_n_levels(n_levels)

    def log_prob_per_feature(self, target, params) -> Tensor:
        mean, log_scale = self.split(params)
        return log_prob_of_level(target, mean, bound_log_scale(log_scale), self.n_levels)

    def mean(self, params) -> Tensor:
        """Returns the mean of the logistic clipped to [0, 1], exact to half a level."""
        mean, log_scale = self.split(params)
        return clipped_mean(mean, bound_log_scale(log_scale))

    def sample(self, params, seed=None) -> Tensor:
        mean, log_scale = self.split(params)
        return draw_level(mean, bound_log_scale(log_scale), self.n_levels, seed)

    def check_target(self, target) -> None:
        check_unit_interval(type(self).__name__, target)

    def get_config(self) -> dict:
        return {**super().get_config(), "n_levels": self.n_levels}


def check_n_levels(n_levels: int) -> int:
    """Returns `n_levels`, or raises a ValueError if it is no integer above 1."""
    n_levels = check_count("n_levels", n_levels)
    if n_levels < 2:
        raise ValueError(f"n_levels must be at least 2; received {n_levels!r}.")
    return n_levels


def bound_log_scale(log_scale) -> Tensor:
    """Returns log s in [-7, 5]: from a quarter of a level of 256 to no preference at all."""
    return bounded(log_scale, -7.0, 5.0)


def log_prob_of_level(target, mean, log_scale, n_levels) -> Tensor:
    """Returns the log-probability of the level of each feature."""
    step = 1.0 / (n_levels - 1)
    level = ops.round(target / step)
    rate = ops.exp(-log_scale)
    upper = ((level + 0.5) * step - mean) * rate
    lower = ((level - 0.5) * step - mean) * rate
    # F(b) - F(a) = F(b) F(-a) (1 - e^(a-b)): nothing cancels, however small it is.
    log_width = ops.log(-ops.expm1(-step * rate))
    first, last = level <= 0.0, level >= n_levels - 1
    return (
        ops.where(last, 0.0, -ops.softplus(-upper))
        + ops.where(first, 0.0, -ops.softplus(lower))
        + ops.where(ops.logical_or(first, last), 0.0, log_width)
    )


def clipped_mean(mean, log_scale) -> Tensor:
    """Returns the mean of the logistic clipped to [0, 1]: the integral of P(X > t) over t."""
    scale = ops.exp(log_scale)
    # By symmetry the half with the larger mean follows from the other, where less cancels.
    high = mean > 0.5
    mean = ops.where(high, 1.0 - mean, mean)
    integral = scale * (ops.softplus(mean / scale) - ops.softplus((mean - 1.0) / scale))
    return ops.where(high, 1.0 - integral, integral)


def draw_level(mean, log_scale, n_levels, seed) -> Tensor:
    """Returns a draw of the level of each feature, in [0, 1]."""
    u = keras.random.uniform(ops.shape(mean), dtype="float32", seed=seed)
    u = ops.clip(u, 1e-7, 1.0 - 1e-7)
    draw = mean + ops.exp(log_scale) * (ops.log(u) - ops.log1p(-u))
    return ops.round(ops.clip(draw, 0.0, 1.0) * (n_levels - 1)) / (n_levels - 1)
