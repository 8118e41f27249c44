"""MIG, modularity and the information that latents share: by tables of counts."""

import numpy as np

from keras_vae.evaluation.factors import check_codes, check_pair, gap
from keras_vae.validation.arguments import check_count


def discretize(z, n_bins: int = 20) -> np.ndarray:
    """Returns in which of `n_bins` equal bins over its own range each code lies.

    Args:
        z: codes, `(n, d)`.
        n_bins: bins per latent.

    Returns:
        Integers from 0 to `n_bins - 1`, `(n, d)`; the largest code is in the last bin.
        A latent that does not vary is in one bin.
    """
    z, n_bins = check_codes(z), check_count("n_bins", n_bins)
    binned = np.empty(z.shape, "int64")
    for i, column in enumerate(z.T):
        low, high = column.min(), column.max()
        if low == high:
            low, high = low - 0.5, high + 0.5
        binned[:, i] = np.searchsorted(np.linspace(low, high, n_bins + 1)[:-1], column, "right") - 1
    return binned


def information_matrix(z, factors, n_bins: int = 20) -> np.ndarray:
    """Returns the mutual information of each latent's bins and each factor, `(d, k)`, in nats.

    Args:
        z: codes, `(n, d)`.
        factors: `(n, k)`, whole numbers or other values that many rows share.
        n_bins: equal bins per latent.
    """
    z, factors = check_pair(z, factors)
    return _table(discretize(z, n_bins), factors)


def mig(z, factors, n_bins: int = 20) -> float:
    """Mutual information gap: how much more the best latent knows of a factor than the second.

    The mean over the factors of (largest − second largest information) / entropy, from
    0 to 1. It does not see that one latent holds two factors: see `modularity`.

    Args:
        z: codes, `(n, d)`, d at least 2.
        factors: `(n, k)`.
        n_bins: equal bins per latent.

    Raises:
        ValueError: for other shapes, NaN, a factor of one value, or a single latent.

    Reference:
        Chen et al., "Isolating sources of disentanglement in VAEs", 2018, equation 6.
    """
    z, factors = check_pair(z, factors)
    entropies = [_information(column, column) for column in factors.T]
    return float(np.mean(gap(_table(discretize(z, n_bins), factors)) / entropies))


def modularity(z, factors, n_bins: int = 20) -> float:
    """How far each latent knows of one factor only, from 0 to 1.

    With t = maxⱼ mᵢⱼ² of the informations m of latent i it is the mean over the latents of
    1 − (Σⱼ mᵢⱼ² − t) / (t (k − 1)). A latent that knows nothing counts 0, so that dead
    latents lower it.

    Args:
        z: codes, `(n, d)`.
        factors: `(n, k)`, k at least 2.
        n_bins: equal bins per latent.

    Raises:
        ValueError: for other shapes, NaN, a factor of one value, or a single factor.

    Reference:
        Ridgeway and Mozer, "Learning deep disentangled embeddings with the F-statistic
        loss", 2018, section 3.
    """
    z, factors = check_pair(z, factors, at_least=2)
    squares = np.square(_table(discretize(z, n_bins), factors))
    most = squares.max(axis=1)
    knows = most > 0
    others = (squares.sum(axis=1) - most)[knows] / (most[knows] * (factors.shape[1] - 1))
    return float((1.0 - others).sum() / len(squares))


def mutual_info_score(z, n_bins: int = 20) -> float:
    """Returns the mean mutual information of two different latents' bins, in nats.

    Not that of scikit-learn, which compares two clusterings.

    Args:
        z: codes, `(n, d)`, d at least 2; latents that do not vary count as 0.
        n_bins: equal bins per latent.

    Raises:
        ValueError: for other shapes, NaN, or a single latent.
    """
    binned = discretize(z, n_bins)
    d = binned.shape[1]
    if d < 2:
        raise ValueError("mutual_info_score compares latents with one another; z has 1.")
    table = _table(binned, binned)
    return float((table.sum() - np.trace(table)) / (d * (d - 1)))


def _table(a, b):
    """Returns the mutual information of each column of a and each of b, (columns, columns)."""
    a, b = ([np.unique(column, return_inverse=True)[1] for column in table.T] for table in (a, b))
    return np.array([[_information(left, right) for right in b] for left in a])


def _information(a, b):
    """Returns the mutual information, in nats, of two columns of numbers."""
    (left, a), (right, b) = (np.unique(column, return_inverse=True) for column in (a, b))
    counts = np.bincount(a * len(right) + b, minlength=len(left) * len(right))
    counts = counts.reshape(len(left), len(right)).astype("float64")
    product = np.outer(counts.sum(axis=1), counts.sum(axis=0))
    seen, n = counts > 0, len(a)
    # Two logarithms, not one of a quotient: a constant column then knows exactly 0.
    logs = np.log(counts[seen] * n) - np.log(product[seen])
    return float(np.sum(counts[seen] / n * logs))
