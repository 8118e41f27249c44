"""The logarithm of the gamma function, which keras.ops lacks."""

import math

from keras import ops

from keras_vae.typing import Tensor


def stirling_remainder(x) -> Tensor:
    """Returns log Γ(x + 1) - x log x + x for x ≥ 0, to 2e-6.

    It stays small, about ½ log 2πx, where log Γ itself has used up the digits of
    a float32: the likelihoods of counts are written in terms of it.

    Reference:
        Abramowitz & Stegun, "Handbook of mathematical functions", 6.1.41, at
        x + 3, where the series has converged; Loader, "Fast and accurate
        computation of binomial probabilities", 2000.
    """
    x = ops.convert_to_tensor(x, "float32")
    y = x + 3.0
    r = ops.square(1.0 / y)
    series = (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r / 1188)))) / y
    # log y^2.5 / ((x + 1) (x + 2)), without large terms that cancel.
    shift = 0.5 * ops.log(y) - ops.log1p(-2.0 / y) - ops.log1p(-1.0 / y)
    growth = x * ops.log1p(3.0 / ops.maximum(x, 1e-6))
    return growth + (0.5 * math.log(2.0 * math.pi) - 3.0) + shift + series


def log_gamma(x) -> Tensor:
    """Returns log Γ(x) for x > 0, to a relative 1e-5 or, near the zeros at 1 and 2, to 1e-6."""
    x = ops.convert_to_tensor(x, "float32")
    return stirling_remainder(x) - x + (x - 1.0) * ops.log(x)
