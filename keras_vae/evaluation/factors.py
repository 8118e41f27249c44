"""Codes beside ground-truth factors: checks, halves, and what is kept of a latent."""

from typing import NamedTuple

import keras
import numpy as np

from keras_vae.validation.arguments import check_count


class TrainTest(NamedTuple):
    """A score of a classifier.

    Attributes:
        train: on the rows, or minibatches, that it was fitted on.
        test: on the others.
    """

    train: float
    test: float


def check_codes(z, name: str = "z") -> np.ndarray:
    """Returns codes as float64, `(n, d)`; grids of codes are laid flat.

    Raises:
        ValueError: if they are no finite numbers, or there is not one row.
    """
    z = np.asarray(z)
    if z.dtype.kind not in "biuf" or z.ndim < 2 or 0 in z.shape:
        raise ValueError(
            f"{name} must hold numbers of shape (n, d); received shape {z.shape} and dtype "
            f"{z.dtype}. The codes of a model are vae.encode(x)."
        )
    z = z.reshape(len(z), -1).astype("float64")
    if not np.isfinite(z).all():
        rows = np.flatnonzero(~np.isfinite(z).all(axis=1))
        raise ValueError(f"{name} has NaN or infinite values in {len(rows)} rows, first {rows[0]}.")
    return z


def check_pair(z, factors, at_least: int = 1, kinds: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Returns codes `(n, d)` in float64 and factors `(n, k)` after a look at both.

    Args:
        z: codes.
        factors: one number per row and factor.
        at_least: how many factors the score needs.
        kinds: whether each factor must have few values, each of which many rows share.

    Raises:
        ValueError: as `check_codes` and `check_factors`, and for numbers of rows that differ.
    """
    z, factors = check_codes(z), check_factors(factors, at_least, kinds)
    if len(z) != len(factors):
        raise ValueError(f"z has {len(z)} rows, but factors have {len(factors)}.")
    return z, factors


def check_factors(factors, at_least: int = 1, kinds: bool = True) -> np.ndarray:
    """Returns factors as an array `(n, k)`, of kinds the numbers of their values from 0 on.

    See `check_pair` for the arguments.

    Raises:
        ValueError: for other shapes, NaN, a factor of one value, or one whose values
            hardly ever come twice.
    """
    factors = np.asarray(factors)
    if factors.dtype.kind not in "biuf" or factors.ndim != 2:
        raise ValueError(
            f"factors must hold numbers of shape (n, k); received shape {factors.shape} and dtype "
            f"{factors.dtype}. Names become numbers by np.unique(names, return_inverse=True)[1]; "
            "a single factor is factors[:, None]."
        )
    if not np.isfinite(factors).all():
        raise ValueError("factors have NaN or infinite values. Leave these rows out.")
    if factors.shape[1] < at_least:
        raise ValueError(
            f"This score needs {at_least} factors or more; received {factors.shape[1]}."
        )
    numbered = np.empty(factors.shape, "int64")
    for j, column in enumerate(factors.T):
        values, numbered[:, j] = np.unique(column, return_inverse=True)
        if len(values) < 2:
            raise ValueError(f"Factor {j} has one value only. Leave it out: nothing varies.")
        if kinds and len(values) > len(column) // 2:
            raise ValueError(
                f"Factor {j} has {len(values)} values in {len(column)} rows, so that few share "
                "one. Put it into bins: np.digitize(f, np.quantile(f, [0.2, 0.4, 0.6, 0.8]))."
            )
    return numbered if kinds else factors


def check_split(n: int, n_train: int | None) -> int:
    """Returns how many of `n` rows are for training, half of them by default.

    Raises:
        ValueError: if no row would be left to test on.
    """
    if n_train is None:
        n_train = n // 2
    n_train = check_count("n_train", n_train)
    if n_train >= n:
        raise ValueError(f"n_train={n_train} leaves none of {n} rows to test on.")
    return n_train


def check_training_classes(factors: np.ndarray, n_train: int) -> None:
    """Raises a ValueError if a factor has one value only among the first `n_train` rows."""
    for j, column in enumerate(factors[:n_train].T):
        if (column == column[0]).all():
            raise ValueError(
                f"Factor {j} has one value only among the {n_train} training rows, which are the "
                "first. Shuffle the rows of z and factors together."
            )


def varies(z: np.ndarray) -> np.ndarray:
    """Returns which columns vary at all, `(d,)`.

    By the range, as the variance of 0.3 in float32 is above 0 by rounding.
    """
    return z.min(axis=0) < z.max(axis=0)


def gap(table: np.ndarray) -> np.ndarray:
    """Returns the largest minus the second largest entry of each column of `(d, k)`, `(k,)`."""
    if len(table) < 2:
        raise ValueError(
            "A gap between the best and the second best latent needs two latents or more; z has 1."
        )
    ordered = np.sort(table, axis=0)
    return ordered[-1] - ordered[-2]


def bar(name: str, n: int, verbose: int) -> keras.utils.Progbar:
    """Returns a progress bar of `n` steps, which is silent where `verbose` is 0."""
    if verbose:
        print(name)
    return keras.utils.Progbar(n, verbose=verbose)
