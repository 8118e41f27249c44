"""Explicitness: how well a linear classifier reads each factor from the code."""

import numpy as np

from keras_vae.evaluation.factors import (
    TrainTest,
    bar,
    check_pair,
    check_split,
    check_training_classes,
    varies,
)
from keras_vae.validation.extras import require


def explicitness(z, factors, n_train: int | None = None, verbose: int = 0) -> TrainTest:
    """AUROC of a logistic regression per factor, from 0.5, which is chance, to 1.

    The latents are standardized by the training rows; latents that do not vary there are left
    out. The score is the mean over a factor's classes, each against the rest, and then over the
    factors.

    Args:
        z: codes, `(n, d)`.
        factors: `(n, k)`.
        n_train: the first so many rows train, the others test; half by default.
        verbose: 1 for a progress bar.

    Returns:
        `train` and `test`.

    Raises:
        ValueError: for other shapes, NaN, a factor of one value, or no latent that varies.
        ImportError: without scikit-learn.

    Reference:
        Ridgeway and Mozer, "Learning deep disentangled embeddings with the F-statistic
        loss", 2018, section 3.
    """
    linear_model = require("sklearn.linear_model", "sklearn", "explicitness")
    z, factors = check_pair(z, factors)
    n_train = check_split(len(z), n_train)
    check_training_classes(factors, n_train)
    z = z[:, varies(z[:n_train])]
    if not z.shape[1]:
        raise ValueError("No latent varies over the training rows: there is nothing to read.")
    z = (z - z[:n_train].mean(axis=0)) / z[:n_train].std(axis=0)
    scores, progress = [], bar("explicitness", factors.shape[1], verbose)
    for column in factors.T:
        classifier = linear_model.LogisticRegression().fit(z[:n_train], column[:n_train])
        halves = slice(n_train), slice(n_train, None)
        scores.append([_auroc(classifier, z[rows], column[rows]) for rows in halves])
        progress.add(1)
    return TrainTest(*map(float, np.mean(scores, axis=0)))


def _auroc(classifier, z, column):
    """Returns the mean AUROC of each class that some but not all rows have."""
    metrics = require("sklearn.metrics", "sklearn", "explicitness")
    probabilities = classifier.predict_proba(z)
    of_class = zip(classifier.classes_, probabilities.T, strict=True)
    found = [
        metrics.roc_auc_score(column == known, probability)
        for known, probability in of_class
        if 0 < np.sum(column == known) < len(column)
    ]
    if not found:
        raise ValueError("The test rows have one class only. Shuffle z and factors together.")
    return np.mean(found)
