"""SAP: how much better one latent alone predicts a factor than the second best."""

import numpy as np

from keras_vae.evaluation.factors import bar, check_pair, check_split, check_training_classes, gap
from keras_vae.validation.extras import require


def sap(
    z,
    factors,
    continuous: bool = False,
    n_train: int | None = None,
    seed: int = 0,
    verbose: int = 0,
) -> float:
    """Separated attribute predictability: the gap of the two best latents, mean over the factors.

    A latent's score is the test accuracy of a linear support vector machine that sees it alone.
    As the runner-up of a perfect code is at chance, 1/classes, and not at 0, a perfect code is
    below 1; and a threshold cannot find the middle classes of a latent, so that many
    values lower it further. It depends on the latents' scale.

    Args:
        z: codes, `(n, d)`, d at least 2.
        factors: `(n, k)`.
        continuous: whether factors are numbers whose order counts: a latent's score is then the
            squared correlation on the training rows.
        n_train: the first so many rows train, the others test; half by default.
        seed: of the support vector machine.
        verbose: 1 for a progress bar.

    Raises:
        ValueError: for other shapes, NaN, a factor of one value, or a single latent.
        ImportError: without scikit-learn, unless `continuous`.

    Reference:
        Kumar et al., "Variational inference of disentangled latent concepts from unlabeled
        observations", 2018, section 3.
    """
    z, factors = check_pair(z, factors, kinds=not continuous)
    n_train = check_split(len(z), n_train)
    check_training_classes(factors, n_train)
    if z.shape[1] < 2:
        gap(z.T)  # says that there is no gap of one latent
    if continuous:
        return float(np.mean(gap(_squared_correlations(z[:n_train], factors[:n_train]))))
    return float(np.mean(gap(_accuracies(z, factors, n_train, seed, verbose))))


def _squared_correlations(z, factors):
    """Returns the squared correlation of each latent and factor, (d, k)."""
    factors = factors.astype("float64")
    z_centered, centered = z - z.mean(axis=0), factors - factors.mean(axis=0)
    covariances = z_centered.T @ centered / (len(z) - 1)
    variances = z.var(axis=0, ddof=1)
    alive = variances > 1e-12
    table = np.zeros_like(covariances)
    table[alive] = covariances[alive] ** 2 / np.outer(variances[alive], factors.var(axis=0, ddof=1))
    return table


def _accuracies(z, factors, n_train, seed, verbose):
    """Returns the test accuracy of each factor by each latent alone, (d, k)."""
    svm = require("sklearn.svm", "sklearn", "sap")
    table = np.empty((z.shape[1], factors.shape[1]))
    progress = bar("sap", table.size, verbose)
    for i, j in np.ndindex(table.shape):
        machine = svm.LinearSVC(C=0.01, class_weight="balanced", random_state=seed)
        machine.fit(z[:n_train, i : i + 1], factors[:n_train, j])
        table[i, j] = machine.score(z[n_train:, i : i + 1], factors[n_train:, j])
        progress.add(1)
    return table
