"""Precision, recall, density and coverage: which samples lie in a set's neighbourhood."""

from typing import NamedTuple

import numpy as np

from keras_vae.evaluation.feature_models import check_features, chunks
from keras_vae.validation.arguments import check_count


class PrecisionRecall(NamedTuple):
    """Shares from 0 to 1.

    Attributes:
        precision: of generated samples that lie among real ones.
        recall: of real samples that lie among generated ones.
    """

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """What `density_coverage` found.

    Attributes:
        density: how many real balls hold a generated sample, over k; 1 for equal distributions, and
            above where samples crowd in dense regions.
        coverage: share of real samples with a generated one nearby, from 0 to 1.
    """

    density: float
    coverage: float


def precision_recall(real, fake, k: int = 5) -> PrecisionRecall:
    """Precision and recall of samples: the share that lies in the other set's neighbourhood.

    A set's neighbourhood is the union of balls around its rows, each as wide as the distance to the
    k-th nearest other row.

    Args:
        real: features, `(n, p)`, n above k.
        fake: features, `(m, p)`, m above k.
        k: which neighbour bounds a ball.

    Raises:
        ValueError: for features of another width, NaN, or no more than k rows.

    Reference:
        Kynkäänniemi et al., "Improved precision and recall metric for assessing generative
        models", 2019, equation 2.
    """
    within, covered = inside_neighbourhoods(real, fake, k)
    return PrecisionRecall(float(within.mean()), float(covered.mean()))


def inside_neighbourhoods(real, fake, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Returns which rows lie in the other set's neighbourhood, see `precision_recall`.

    Args:
        real: features, `(n, p)`, n above k.
        fake: features, `(m, p)`, m above k.
        k: which neighbour bounds a ball.

    Returns:
        Of each fake row whether it is among the real ones, `(m,)`, and the reverse, `(n,)`.
    """
    real, fake = check_features(real, fake, check_count("k", k) + 1)
    return _inside(fake, real, k), _inside(real, fake, k)


def density_coverage(real, fake, k: int = 5) -> DensityCoverage:
    """Density and coverage of samples, which single outliers among the real rows upset less.

    Args:
        real: features, `(n, p)`, n above k.
        fake: features, `(m, p)`.
        k: which neighbour bounds the ball around a real row.

    Raises:
        ValueError: for features of another width, NaN, or no more than k rows.

    Reference:
        Naeem et al., "Reliable fidelity and diversity metrics for generative models", 2020,
        equations 4 and 5.
    """
    real, fake = check_features(real, fake, 1)
    if len(real) <= check_count("k", k):
        raise ValueError(f"k={k} needs more than {k} real rows; received {len(real)}.")
    radii = _radii(real, k)
    held = covered = 0
    for rows in chunks(len(real)):
        inside = _squared_distances(real[rows], fake) < radii[rows, None]
        held += inside.sum()
        covered += inside.any(axis=1).sum()
    return DensityCoverage(float(held / (k * len(fake))), float(covered / len(real)))


def _inside(points, x, k):
    """Returns which points lie in the ball of some row of x, (len(points),)."""
    radii = _radii(x, k)
    found = [
        (_squared_distances(points[rows], x) < radii).any(axis=1) for rows in chunks(len(points))
    ]
    return np.concatenate(found)


def _radii(x, k):
    """Returns the squared distance of each row to its k-th nearest other row, (n,)."""
    # Each row is nearest to itself, so that index k is the k-th other one.
    found = [np.partition(_own_distances(x, rows), k, axis=1)[:, k] for rows in chunks(len(x))]
    return np.concatenate(found)


def _own_distances(x, rows):
    distances = _squared_distances(x[rows], x)
    distances[np.arange(len(distances)), np.arange(len(x))[rows]] = 0.0
    return distances


def _squared_distances(a, b):
    center = b.mean(axis=0)  # far from 0, the formula below would lose digits
    a, b = a - center, b - center
    return np.clip((a**2).sum(1)[:, None] + (b**2).sum(1) - 2.0 * a @ b.T, 0.0, None)
