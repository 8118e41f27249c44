"""The FactorVAE and the β-VAE score: minibatches of rows that share one factor's value."""

import numpy as np

from keras_vae.evaluation.factors import TrainTest, bar, check_codes, check_pair
from keras_vae.validation.arguments import check_count
from keras_vae.validation.extras import require

DEAD_STD = 0.05  # latents that vary less have no vote
_CHUNK = 500  # minibatches at a time


def factor_vae_score(
    z,
    factors,
    n_train: int = 10_000,
    n_test: int = 5_000,
    batch_size: int = 64,
    seed: int | None = 0,
    verbose: int = 0,
) -> TrainTest:
    """FactorVAE score: whether the latent that varies least tells which factor was held.

    Each vote takes rows that share a value of one factor, and names the latent whose variance
    there is smallest, relative to that over all rows. A latent is taken for the factor that it
    voted for most often in training. Factor, value and rows are drawn uniformly, with
    repetition, from the rows at hand: these need be no grid, but where factors go
    together the score is not what it would be on one.

    Args:
        z: codes, `(n, d)`.
        factors: `(n, k)`, k at least 2.
        n_train: votes that make the classifier.
        n_test: votes that judge it.
        batch_size: rows per vote.
        seed: of these draws; `None` draws anew.
        verbose: 1 for a progress bar.

    Returns:
        `train` and `test` accuracy; 0 if no latent varies by more than 0.05.

    Raises:
        ValueError: for other shapes, NaN, a single factor, or one whose values do not come twice.

    Reference:
        Kim and Mnih, "Disentangling by factorising", 2018, section 4.
    """
    z, factors = check_pair(z, factors, at_least=2)
    draw = _Draws(factors, seed)
    held = draw.factor(_check_counts(n_train, n_test))
    rows = draw.rows(held, 1, check_count("batch_size", batch_size))[:, 0]
    return factor_vae_score_of_rows(z, rows, held, n_train, verbose=verbose)


def factor_vae_score_of_rows(
    z, rows, held, n_train: int, variance_rows=None, verbose: int = 0
) -> TrainTest:
    """The FactorVAE score of given minibatches, see `factor_vae_score`.

    Args:
        z: codes, `(n, d)`.
        rows: row numbers, `(votes, batch_size)`; those of one vote share a factor's value.
        held: which factor that is, `(votes,)`.
        n_train: the first so many votes train, the others test.
        variance_rows: row numbers that the variances of all rows are taken over; all by default.
        verbose: 1 for a progress bar.
    """
    z, rows, held = _check_minibatches(z, rows, held, n_train, 2)
    std = np.std(z if variance_rows is None else z[np.asarray(variance_rows)], axis=0, ddof=1)
    alive = std >= DEAD_STD
    if not alive.any():
        return TrainTest(0.0, 0.0)
    z = z[:, alive] / std[alive]
    votes = _by_chunks("factor_vae", rows, lambda chunk: z[chunk].var(1, ddof=1).argmin(1), verbose)
    table = np.zeros((held.max() + 1, z.shape[1]), "int64")
    np.add.at(table, (held[:n_train], votes[:n_train]), 1)
    right = table.argmax(axis=0)[votes] == held
    return TrainTest(float(right[:n_train].mean()), float(right[n_train:].mean()))


def beta_vae_score(
    z,
    factors,
    n_train: int = 10_000,
    n_test: int = 5_000,
    batch_size: int = 64,
    seed: int | None = 0,
    verbose: int = 0,
) -> TrainTest:
    """β-VAE score: whether a linear classifier tells which factor was held from what moved.

    A point is the mean over `batch_size` pairs of rows of |z − z'|, the two rows of a pair equal in
    one factor, whose value differs from pair to pair. It depends on the latents' scale, and
    is 1 for many codes that are not disentangled. Rows are drawn as by `factor_vae_score`.

    Args:
        z: codes, `(n, d)`.
        factors: `(n, k)`, k at least 2.
        n_train: points that the classifier is fitted on.
        n_test: points that judge it.
        batch_size: pairs per point.
        seed: of these draws; `None` draws anew.
        verbose: 1 for a progress bar.

    Returns:
        `train` and `test` accuracy.

    Raises:
        ValueError: for other shapes, NaN, a single factor, or one whose values do not come twice.
        ImportError: without scikit-learn.

    Reference:
        Higgins et al., "beta-VAE", 2017, section 3.
    """
    z, factors = check_pair(z, factors, at_least=2)
    draw = _Draws(factors, seed)
    held = draw.factor(_check_counts(n_train, n_test))
    rows = draw.rows(held, check_count("batch_size", batch_size), 2).swapaxes(1, 2)
    return beta_vae_score_of_rows(z, rows, held, n_train, verbose)


def beta_vae_score_of_rows(z, rows, held, n_train: int, verbose: int = 0) -> TrainTest:
    """The β-VAE score of given pairs of rows, see `beta_vae_score`.

    Args:
        z: codes, `(n, d)`.
        rows: row numbers, `(points, 2, batch_size)`; the two of a pair share a factor's value.
        held: which factor that is, `(points,)`.
        n_train: the first so many points train, the others test.
        verbose: 1 for a progress bar.
    """
    linear_model = require("sklearn.linear_model", "sklearn", "beta_vae_score")
    z, rows, held = _check_minibatches(z, rows, held, n_train, 3)

    def moved(chunk):
        return np.abs(z[chunk[:, 0]] - z[chunk[:, 1]]).mean(axis=1)

    points = _by_chunks("beta_vae", rows, moved, verbose)
    if len(np.unique(held[:n_train])) < 2:
        raise ValueError("All training points hold the same factor. Take more of them.")
    classifier = linear_model.LogisticRegression().fit(points[:n_train], held[:n_train])
    right = classifier.predict(points) == held
    return TrainTest(float(right[:n_train].mean()), float(right[n_train:].mean()))


class _Draws:
    """Draws factors, values and rows, uniformly in this order."""

    def __init__(self, factors, seed):
        self.rng = np.random.default_rng(seed)
        self.n_factors = factors.shape[1]
        self.groups = [_rows_by_value(j, column) for j, column in enumerate(factors.T)]

    def factor(self, n):
        return self.rng.integers(self.n_factors, size=n)

    def rows(self, held, n_values, n_rows):
        """Returns rows that share a value of the held factor, (len(held), n_values, n_rows)."""
        rows = np.empty((len(held), n_values, n_rows), "int64")
        for j, (order, starts, counts) in enumerate(self.groups):
            mine = held == j
            value = self.rng.integers(len(counts), size=(mine.sum(), n_values, 1))
            within = self.rng.random((mine.sum(), n_values, n_rows)) * counts[value]
            rows[mine] = order[starts[value] + within.astype("int64")]
        return rows


def _rows_by_value(j, column):
    """Returns rows ordered by value, where each value begins, and how many rows it has."""
    order = np.argsort(column, kind="stable")
    _, starts, counts = np.unique(column[order], return_index=True, return_counts=True)
    several = counts > 1  # of a single row nothing varies
    if not several.any():
        raise ValueError(f"No two rows share a value of factor {j}. Put it into bins.")
    return order, starts[several], counts[several]


def _check_counts(n_train, n_test):
    return check_count("n_train", n_train) + check_count("n_test", n_test)


def _check_minibatches(z, rows, held, n_train, ndim):
    z, rows, held = check_codes(z), np.asarray(rows), np.asarray(held)
    if rows.ndim != ndim or held.shape != rows.shape[:1] or (ndim == 3 and rows.shape[1] != 2):
        shape = "(votes, batch_size)" if ndim == 2 else "(points, 2, batch_size)"
        raise ValueError(
            f"rows must have shape {shape} and held one number each; received shapes "
            f"{rows.shape} and {held.shape}."
        )
    if rows.min() < 0 or rows.max() >= len(z):
        raise ValueError(f"rows must be from 0 to {len(z) - 1}, as z has {len(z)} rows.")
    if not 0 < n_train < len(rows):
        raise ValueError(f"n_train={n_train} must leave some of {len(rows)} minibatches to test.")
    return z, rows, held.astype("int64")


def _by_chunks(name, rows, function, verbose):
    progress, found = bar(name, len(rows), verbose), []
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        found.append(function(chunk))
        progress.add(len(chunk))
    return np.concatenate(found)
