"""Whether probabilities and error bars mean what they say."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from keras_vae.validation.arguments import check_count

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Reliability(NamedTuple):
    """What lies in each bin of confidence, each of shape `(n_bins,)`, NaN where a bin is empty.

    Attributes:
        confidence: mean probability.
        accuracy: share that is right.
        n_rows: how many rows.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    n_rows: np.ndarray


def reliability(probabilities, labels, n_bins: int = 15) -> Reliability:
    """Bins predictions by their confidence, the largest probability, into equal bins (lo, hi].

    Args:
        probabilities: `(n, classes)`, rows that sum to 1; or `(n,)`, that of class 1, which is
            then the confidence, with labels 0 and 1.
        labels: classes from 0 on, `(n,)`.
        n_bins: equal bins of [0, 1]; a confidence of 0 is in the first.

    Raises:
        ValueError: for other shapes, NaN, no probabilities, or labels that are no class.
    """
    probabilities, labels = _check(probabilities, labels)
    n_bins = check_count("n_bins", n_bins)
    if probabilities.ndim == 1:
        confidence, right = probabilities, labels == 1
    else:
        confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    bins = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, n_bins - 1)
    count = np.bincount(bins, minlength=n_bins)
    some = np.where(count, count, np.nan)
    mean_confidence, accuracy = (np.bincount(bins, a, n_bins) / some for a in (confidence, right))
    return Reliability(mean_confidence, accuracy, count)


def expected_calibration_error(probabilities, labels, n_bins: int = 15) -> float:
    """ECE: Σ share of a bin · |accuracy − mean confidence|, from 0 to 1.

    It depends on the bins, and is above 0 by chance where rows are few. A model that always says
    how frequent a class is has none, and tells nothing: read `brier_score` beside it.

    Args:
        probabilities: `(n, classes)`, or `(n,)` of class 1, see `reliability`.
        labels: classes from 0 on, `(n,)`.
        n_bins: equal bins (lo, hi].

    Raises:
        ValueError: as `reliability`.

    Reference:
        Guo et al., "On calibration of modern neural networks", 2017, equation 3.
    """
    gaps, shares = _gaps(probabilities, labels, n_bins)
    return float((shares * gaps).sum())


def maximum_calibration_error(probabilities, labels, n_bins: int = 15) -> float:
    """MCE: the largest |accuracy − mean confidence| of a bin, see `expected_calibration_error`."""
    return float(_gaps(probabilities, labels, n_bins)[0].max())


def rms_calibration_error(probabilities, labels, n_bins: int = 15) -> float:
    """The root of Σ share of a bin · (accuracy − mean confidence)².

    See `expected_calibration_error`.
    """
    gaps, shares = _gaps(probabilities, labels, n_bins)
    return float(np.sqrt((shares * gaps**2).sum()))


def brier_score(probabilities, labels) -> float:
    """Mean over the rows of Σ (p − one-hot label)² over the classes; of `(n,)`, of (p − label)².

    0 is best; with classes it is at most 2, and without at most 1.

    Args:
        probabilities: `(n, classes)`, or `(n,)` of class 1.
        labels: classes from 0 on, `(n,)`.

    Raises:
        ValueError: as `reliability`.

    Reference:
        Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """
    p, labels = _check(probabilities, labels)
    if p.ndim == 1:
        return float(np.mean((p - labels) ** 2))
    return float(np.mean(np.sum((p - np.eye(p.shape[1])[labels]) ** 2, axis=1)))


def gaussian_coverage(mean, std, target, levels: Sequence[float] = LEVELS) -> np.ndarray:
    """Returns the share of targets in the central intervals of N(mean, std²), `(len(levels),)`.

    It is close to `levels` where the error bars are right.

    Args:
        mean: numbers of any shape.
        std: standard deviations, above 0.
        target: what was observed.
        levels: probabilities of the intervals, each from 0 to below 1.

    Raises:
        ValueError: for shapes that differ, NaN, or an std that is not positive.
    """
    distance = np.abs(_standardized(mean, std, target)[0])
    if not all(0 <= level < 1 for level in levels):
        raise ValueError(f"levels must be from 0 to below 1; received {levels}.")
    half_widths = [NormalDist().inv_cdf((1 + level) / 2) for level in levels]
    return np.array([np.mean(distance <= half_width) for half_width in half_widths])


def gaussian_nll(mean, std, target) -> float:
    """Returns the mean of −log N(target; mean, std²), in nats.

    Args:
        mean: numbers of any shape.
        std: standard deviations, above 0.
        target: what was observed.

    Raises:
        ValueError: for shapes that differ, NaN, or an std that is not positive.
    """
    z, std = _standardized(mean, std, target)
    return float(np.mean(0.5 * z**2 + np.log(std) + 0.5 * math.log(2 * math.pi)))


def gaussian_crps(mean, std, target) -> float:
    """Returns the mean continuous ranked probability score of N(mean, std²), in the target's unit.

    σ (z (2Φ(z) − 1) + 2φ(z) − 1/√π) with z = (target − mean) / σ; 0 is best, and with σ → 0 it
    is the absolute error.

    Args:
        mean: numbers of any shape.
        std: standard deviations, above 0.
        target: what was observed.

    Raises:
        ValueError: for shapes that differ, NaN, or an std that is not positive.

    Reference:
        Gneiting and Raftery, "Strictly proper scoring rules, prediction, and estimation", 2007,
        section 4.2.
    """
    z, std = _standardized(mean, std, target)
    erf = np.reshape([math.erf(value) for value in (z / math.sqrt(2)).flat], z.shape)  # 2Φ(z) − 1
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return float(np.mean(std * (z * erf + 2 * density - 1 / math.sqrt(math.pi))))


def _gaps(probabilities, labels, n_bins):
    """Returns |accuracy − confidence| and share of each bin that is not empty."""
    confidence, accuracy, count = reliability(probabilities, labels, n_bins)
    some = count > 0
    return np.abs(accuracy - confidence)[some], count[some] / count.sum()


def _check(probabilities, labels):
    p, labels = np.asarray(probabilities, "float64"), np.asarray(labels)
    if p.ndim not in (1, 2) or not len(p) or labels.shape != p.shape[:1]:
        raise ValueError(
            "probabilities must have shape (n, classes) or (n,) and labels (n,); received "
            f"{p.shape} and {labels.shape}."
        )
    if not ((p >= 0) & (p <= 1 + 1e-6)).all() or (
        p.ndim == 2 and np.abs(p.sum(axis=1) - 1.0).max() > 1e-3
    ):
        raise ValueError(
            "probabilities must be from 0 to 1, without NaN, and rows of classes sum to 1. Of "
            "logits take keras.ops.softmax(logits)."
        )
    n_classes = 2 if p.ndim == 1 else p.shape[1]
    if not np.isin(labels, np.arange(n_classes)).all():
        raise ValueError(f"labels must be whole numbers from 0 to {n_classes - 1}.")
    return p, labels.astype("int64")


def _standardized(mean, std, target):
    mean, std, target = (np.asarray(a, "float64") for a in (mean, std, target))
    std = np.broadcast_to(std, mean.shape) if std.ndim == 0 else std
    if not mean.shape == std.shape == target.shape or not mean.size:
        raise ValueError(
            "mean, std and target must have the same shape; received "
            f"{mean.shape}, {std.shape} and {target.shape}."
        )
    if not (np.isfinite(mean) & np.isfinite(std) & np.isfinite(target)).all() or (std <= 0).any():
        raise ValueError("mean, std and target must be finite, and std above 0.")
    return (target - mean) / std, std
