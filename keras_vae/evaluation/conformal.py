"""Conformal p-values: how strange a score is among the scores of usual data.

Whatever the model, a p-value of new usual data is at most α with a probability of at most α, as
long as it and the calibration data are exchangeable: drawn alike, and the model trained on neither.
"""

import math
from numbers import Real
from typing import NamedTuple

import numpy as np


class Threshold(NamedTuple):
    """What is an anomaly at a rate of false alarms: a score beyond one of the two.

    Attributes:
        low: scores below are atypical, -inf where only high ones are.
        high: scores above are strange.
    """

    low: float
    high: float


class RealizedRate(NamedTuple):
    """The rate of false alarms that one calibration set gives, over all sets of its size.

    Attributes:
        expected: its mean.
        low, high: the ends of its central 90 % interval.
    """

    expected: float
    low: float
    high: float


def check_rate(name: str, rate: float) -> float:
    """Returns a rate as a float, or raises a ValueError if it does not lie in (0, 1)."""
    if isinstance(rate, bool) or not isinstance(rate, Real) or not 0.0 < float(rate) < 1.0:
        raise ValueError(f"{name} must be a number between 0 and 1, such as 0.01; received {rate}.")
    return float(rate)


def check_n(n: int, rate: float, two_sided: bool = False) -> None:
    """Raises a ValueError if no p-value of n calibration scores can be as small as the rate."""
    needed = math.ceil((2.0 if two_sided else 1.0) / rate - 1.0 - 1e-9)
    if n < needed:
        sides = "two-sided " if two_sided else ""
        raise ValueError(
            f"{n} calibration samples are too few for a {sides}rate of {rate:g}: the smallest "
            f"p-value is {(2 if two_sided else 1) / (n + 1):.3g}, so that nothing could ever be "
            f"found. Give at least {needed} usual samples, or a larger rate."
        )


def p_values(calibration, scores, two_sided: bool = False) -> np.ndarray:
    """Returns p = (1 + the number of calibration scores at least as strange) / (n + 1).

    Args:
        calibration: scores of n usual samples, `(n,)`, higher for stranger ones.
        scores: those to judge, `(m,)`; NaN is as strange as can be.
        two_sided: whether scores that are too low are strange too: p is then twice the smaller
            of the p-values of both sides, at most 1.

    Returns:
        Shape `(m,)`, float64.

    Reference:
        Vovk, Gammerman & Shafer, "Algorithmic learning in a random world", 2005, section 2.2;
        Bates et al., "Testing for outliers with conformal p-values", 2023, equation 2.
    """
    calibration, scores = np.sort(np.asarray(calibration)), np.asarray(scores)
    n = len(calibration)
    above = 1 + n - np.searchsorted(calibration, scores, side="left")
    if not two_sided:
        return above / (n + 1)
    below = 1 + np.searchsorted(calibration, scores, side="right")
    return np.minimum(1.0, 2 * np.minimum(above, below) / (n + 1))


def at_most(p, rate: float | np.ndarray) -> np.ndarray:
    """Returns whether p-values are at most the rate, a multiple of 1 / (n + 1) included."""
    return np.asarray(p) <= rate * (1.0 + 1e-9)


def threshold(calibration, rate: float, two_sided: bool = False) -> Threshold:
    """Returns the scores beyond which a p-value is at most the rate.

    Args:
        calibration: scores of usual samples, `(n,)`.
        rate: of false alarms.
        two_sided: see `p_values`.
    """
    ordered = np.sort(np.asarray(calibration))
    k = _rank(len(ordered), rate, two_sided)
    return Threshold(float(ordered[k - 1]) if two_sided else -math.inf, float(ordered[-k]))


def realized_rate(n: int, rate: float, two_sided: bool = False) -> RealizedRate:
    """Returns what rate of false alarms n calibration samples give, of scores without ties.

    It is Beta(k, n + 1 - k) distributed, k = ⌊rate·(n + 1)⌋: over calibration sets its mean is at
    most the rate, but that of one set is above or below.

    Args:
        n: how many calibration samples there are.
        rate: the rate asked for.
        two_sided: see `p_values`.

    Reference:
        Bates et al., "Testing for outliers with conformal p-values", 2023, section 2.2.
    """
    k = _rank(n, rate, two_sided) * (2 if two_sided else 1)
    return RealizedRate(k / (n + 1), _beta_quantile(0.05, k, n), _beta_quantile(0.95, k, n))


def benjamini_hochberg(p, level: float = 0.1) -> np.ndarray:
    """Returns which of many p-values to reject, at most a share `level` of them wrongly.

    The share is an expectation, the false discovery rate; conformal p-values of one calibration
    set depend on one another in a way that leaves it valid.

    Args:
        p: p-values, `(m,)`.
        level: of false discoveries among those found.

    Returns:
        Booleans, `(m,)`.

    Reference:
        Benjamini & Hochberg, "Controlling the false discovery rate", 1995; Bates et al.,
        "Testing for outliers with conformal p-values", 2023, theorem 2.
    """
    p = np.asarray(p)
    ordered, m = np.sort(p), len(p)
    below = np.flatnonzero(at_most(ordered, level * np.arange(1, m + 1) / m))
    return p <= ordered[below[-1]] if len(below) else np.zeros(m, bool)


def _rank(n, rate, two_sided):
    """Returns how many calibration scores of a side lie at or beyond the threshold."""
    check_n(n, rate, two_sided)
    return math.floor((rate / 2 if two_sided else rate) * (n + 1) + 1e-9)


def _beta_quantile(q, k, n):
    """Returns the quantile of Beta(k, n + 1 - k), for integers 1 ≤ k ≤ n."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _beta_cdf(middle, k, n) < q:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_cdf(x, k, n):
    """Returns P(Beta(k, n + 1 - k) ≤ x): that k or more of n uniform draws lie below x."""
    j = np.arange(1, k)
    log_choose = np.concatenate([[0.0], np.cumsum(np.log(n + 1 - j) - np.log(j))])
    fewer = log_choose + np.arange(k) * math.log(x) + (n - np.arange(k)) * math.log1p(-x)
    return 1.0 - float(np.exp(fewer).sum())
