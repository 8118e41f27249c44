"""The variance of a Gaussian that is best for a batch."""

from collections.abc import Callable

import numpy as np
from keras import ops

from keras_vae.backend import sum_over_replicas
from keras_vae.typing import Tensor

# σ² of a perfect reconstruction would be 0, and its log-probability infinite.
MIN_VARIANCE = 1e-6
_N_GRID = 32


def errors_per_row(target, params, mask, sample_weight) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the squared errors of a batch, without what counts for nothing.

    Args:
        target: float32, `(batch, *features)`.
        params: the means, float32, with an axis of draws in front or without.
        mask: true where a feature was observed, or `None`.
        sample_weight: `(batch,)`, or `None` for ones.

    Returns:
        The weights, `(batch,)`; the errors summed over each row's observed
        features, `(n_draws, batch)`; how many features these are, `(batch,)`.
    """
    features = tuple(range(1 - len(target.shape), 0))
    observed = ops.ones_like(target, "bool") if mask is None else ops.cast(mask, "bool")
    weights = ops.ones_like(ops.sum(target, axis=features))
    if sample_weight is not None:
        weights = ops.reshape(ops.cast(sample_weight, "float32"), (-1,))
        shape = (-1, *[1] * len(features))
        observed = ops.logical_and(observed, ops.reshape(weights > 0.0, shape))
    count = ops.sum(ops.cast(observed, "float32"), axis=features)
    error = ops.square(ops.where(observed, target, 0.0) - ops.where(observed, params, 0.0))
    error = ops.sum(error, axis=features)
    return weights, error if len(error.shape) == 2 else error[None], count


def variance_of_rows(weights, error, count) -> Tensor:
    """Returns the mean squared error over draws, rows and features, by the weights of rows."""
    total = sum_over_replicas(ops.sum(weights * ops.mean(error, axis=0)))
    return ops.maximum(total / ops.maximum(n_values(weights, count), 1e-12), MIN_VARIANCE)


def n_values(weights, count) -> Tensor:
    """Returns how many features of the batch were observed, by the weights of rows."""
    return sum_over_replicas(ops.sum(weights * count))


def variance_of_bound(weights, error, count, bound: Callable) -> Tensor:
    """Returns the variance at which a bound of several draws is largest.

    At the best variance it is the mean of the errors weighted by the draws'
    normalized importance weights, which depend on the variance themselves. So it
    lies between the means of the smallest and of the largest errors, and is looked
    for there on a grid of logarithms, twice, to 1 % for errors of a range of 1,000.

    Args:
        weights: of the rows, see `errors_per_row`.
        error: of each draw and row, likewise.
        count: of each row's observed features, likewise.
        bound: from log p(x|z), `(n_draws, n, batch)`, to n bounds of each row.
    """
    n = ops.maximum(n_values(weights, count), 1e-12)
    of_range = (ops.min(error, axis=0), ops.max(error, axis=0))
    low, high = (
        ops.log(ops.maximum(sum_over_replicas(ops.sum(weights * e)) / n, MIN_VARIANCE))
        for e in of_range
    )
    steps = ops.convert_to_tensor(np.linspace(0.0, 1.0, _N_GRID), "float32")
    for _ in range(2):
        log_var = (low + (high - low) * steps)[:, None]
        log_px = -0.5 * (error[:, None] * ops.exp(-log_var) + count * (np.log(2 * np.pi) + log_var))
        bounds = ops.reshape(bound(log_px), (_N_GRID, -1))
        # 0 · NaN is NaN.
        bounds = ops.where(weights > 0.0, weights * bounds, 0.0)
        bounds = sum_over_replicas(ops.sum(bounds, axis=-1))
        best = ops.take(log_var[:, 0], ops.argmax(bounds))
        width = (high - low) / (_N_GRID - 1)
        low, high = ops.maximum(best - width, low), ops.minimum(best + width, high)
    return ops.exp(best)
