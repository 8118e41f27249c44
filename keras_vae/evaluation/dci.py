"""DCI: disentanglement, completeness and informativeness, by the importances of boosted trees."""

from typing import NamedTuple

import numpy as np

from keras_vae.evaluation.factors import bar, check_pair, check_split, check_training_classes
from keras_vae.validation.extras import require


class DCI(NamedTuple):
    """What `dci` found.

    Attributes:
        disentanglement: whether a latent matters for one factor only, 0 to 1.
        completeness: whether one latent alone matters for a factor, 0 to 1.
        informativeness_train: accuracy on the training rows, mean over the factors.
        informativeness_test: accuracy on the test rows.
        importance: how much each latent matters for each factor, `(d, k)`; columns sum to 1.
    """

    disentanglement: float
    completeness: float
    informativeness_train: float
    informativeness_test: float
    importance: np.ndarray


def dci(
    z, factors, n_train: int | None = None, seed: int = 0, classifier=None, verbose: int = 0
) -> DCI:
    """Disentanglement, completeness and informativeness of a code.

    Trees predict each factor of all latents; their impurity importances say which latent
    matters. The work grows with the number of a factor's values.

    Args:
        z: codes, `(n, d)`, d at least 2.
        factors: `(n, k)`, k at least 2.
        n_train: the first so many rows train, the others test; half by default.
        seed: of the trees.
        classifier: a scikit-learn classifier that has `feature_importances_` once fitted, of
            which each factor gets a copy; by default
            `GradientBoostingClassifier(random_state=seed)`.
        verbose: 1 for a progress bar.

    Raises:
        ValueError: for other shapes, NaN, a factor of one value, or a single latent or factor.
        ImportError: without scikit-learn.

    Reference:
        Eastwood and Williams, "A framework for the quantitative evaluation of disentangled
        representations", 2018, section 2.
    """
    base = require("sklearn.base", "sklearn", "dci")
    ensemble = require("sklearn.ensemble", "sklearn", "dci")
    z, factors = check_pair(z, factors, at_least=2)
    n_train = check_split(len(z), n_train)
    check_training_classes(factors, n_train)
    if z.shape[1] < 2:
        raise ValueError("dci compares latents with one another; z has 1.")
    if classifier is None:
        classifier = ensemble.GradientBoostingClassifier(random_state=seed)
    importances, accuracies = [], []
    progress = bar("dci", factors.shape[1], verbose)
    for column in factors.T:
        trees = base.clone(classifier).fit(z[:n_train], column[:n_train])
        importances.append(trees.feature_importances_)
        halves = slice(n_train), slice(n_train, None)
        accuracies.append([trees.score(z[rows], column[rows]) for rows in halves])
        progress.add(1)
    importance = np.stack(importances, axis=1)
    train, test = map(float, np.mean(accuracies, axis=0))
    return DCI(*dci_of_importance(importance), train, test, importance)


def dci_of_importance(importance) -> tuple[float, float]:
    """Returns disentanglement and completeness of importances `(d, k)`, not negative.

    1 − H(row) / log k, weighed by the rows' shares of all importance, and the same of the
    columns with log d; H normalizes.

    Raises:
        ValueError: if the matrix is negative, has NaN, or fewer than two rows or columns.
    """
    importance = np.asarray(importance, "float64")
    if importance.ndim != 2 or min(importance.shape) < 2 or not (importance >= 0).all():
        raise ValueError(
            "importance must be a matrix (d, k) of numbers of at least 0, d and k at least 2; "
            f"received shape {importance.shape}."
        )
    if not importance.sum():
        return 0.0, 0.0  # no latent matters for any factor
    return _purity(importance), _purity(importance.T)


def _purity(rows):
    """Returns the mean of 1 − H(row) / log(columns), weighed by the rows' sums."""
    shares = rows + 1e-11
    shares = shares / shares.sum(axis=1, keepdims=True)
    entropies = -(shares * np.log(shares)).sum(axis=1)
    weights = rows.sum(axis=1) / rows.sum()
    return float((weights * (1.0 - entropies / np.log(rows.shape[1]))).sum())
