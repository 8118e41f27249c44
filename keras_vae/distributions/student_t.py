"""The Student-t distribution, with tails that fall as a power."""

import math

import keras
from keras import ops

from keras_vae.distributions.base import Distribution
from keras_vae.typing import Tensor


def log_density(x, mean, scale, degrees_of_freedom) -> Tensor:
    """Returns the log-density of a Student-t around `mean` at each number of x.

    Args:
        x: tensor, or number, of a shape that goes with that of the others.
        mean: likewise.
        scale: likewise, positive.
        degrees_of_freedom: ν, a number, or a tensor likewise of values above 2.
    """
    nu = degrees_of_freedom
    log_normalizer = _log_of_gammas(nu) + ops.log(scale)
    tail = 0.5 * (nu + 1.0) * ops.log1p(ops.square((x - mean) / scale) / nu)
    return -tail - log_normalizer


def _log_of_gammas(nu):
    """Returns log Γ(ν/2) - log Γ((ν + 1)/2) + ½ log πν."""
    if isinstance(nu, float):
        return math.lgamma(0.5 * nu) - math.lgamma(0.5 * (nu + 1.0)) + 0.5 * math.log(nu * math.pi)
    # The series of log Γ(y) - log Γ(y + ½) at y = ν/2 + 2, as for large ν the two would cancel.
    half = 0.5 * nu
    y = half + 2.0
    r = 1.0 / ops.square(y)
    series = (1 / 8 - r * (1 / 192 - r * (1 / 640 - r * (17 / 14336)))) / y
    back = ops.log1p((half + 0.75) / (half * (half + 1.0)))
    return series + back + 0.5 * ops.log(2.0 * math.pi * half / y)


def standard_draws(shape, degrees_of_freedom, seed) -> Tensor:
    """Draws from the Student-t of mean 0 and scale 1.

    Args:
        shape: of the draws.
        degrees_of_freedom: ν, a number, or a tensor of that shape.
        seed: a `keras.random.SeedGenerator` or `None`.
    """
    normal = keras.random.normal(shape, dtype="float32", seed=seed)
    half_nu = 0.5 * degrees_of_freedom
    chi_square = 2.0 * keras.random.gamma(shape, half_nu, dtype="float32", seed=seed)
    return normal * ops.sqrt(degrees_of_freedom / ops.maximum(chi_square, 1e-30))


class StudentT(Distribution):
    """Independent Student-t's, without a batch.

    Args:
        mean, scale: μ and σ, each of shape `event_shape`.
        degrees_of_freedom: ν of each; the smaller, the heavier the tails.
    """

    closed_forms = frozenset({"mode", "marginal_log_prob"})

    def __init__(self, mean, scale, degrees_of_freedom: float):
        self.loc = ops.convert_to_tensor(mean, "float32")
        self.scale = ops.convert_to_tensor(scale, "float32")
        self.degrees_of_freedom = float(degrees_of_freedom)
        self.event_shape = tuple(self.loc.shape)

    def mode(self) -> Tensor:
        return self.loc

    def marginal_log_prob(self, z) -> Tensor:
        z = ops.convert_to_tensor(z, "float32")
        return log_density(z, self.loc, self.scale, self.degrees_of_freedom)

    def _log_prob(self, z):
        return self.sum_over_event(self.marginal_log_prob(z))

    def _sample(self, n, seed):
        noise = standard_draws((n, *self.event_shape), self.degrees_of_freedom, seed)
        return self.loc + self.scale * noise
