"""What objectives that look across the batch need, so that rows of weight zero are not in it."""

from keras import ops

from keras_vae.backend import sum_over_replicas
from keras_vae.typing import Tensor


def ranks(sample_weight) -> tuple[Tensor, Tensor]:
    """Returns the place of each row among those of positive weight, and their number, as int32.

    Args:
        sample_weight: shape `(batch,)`.

    Returns:
        Shape `(batch,)`, of which only the entries of rows that count mean
        anything, and a scalar of at least 1.
    """
    counts = ops.cast(sample_weight > 0.0, "int32")
    return ops.cumsum(counts) - 1, ops.maximum(ops.sum(counts), 1)


def rows_further_on(sample_weight, shift) -> Tensor:
    """Returns the index of the row `shift` places on among those of positive weight, cyclically.

    Args:
        sample_weight: shape `(batch,)`.
        shift: integers that broadcast to the result.

    Returns:
        Indices into the batch, of shape `(batch, 1)` or that of `shift`.
    """
    rank, count = ranks(sample_weight)
    index = ops.cumsum(ops.ones_like(rank)) - 1
    # Rows that count come first, each part in its order.
    order = ops.argsort(ops.where(sample_weight > 0.0, index, index + ops.shape(index)[0]))
    return ops.take(order, (rank[:, None] + shift) % count, axis=0)


def batch_mean(sample_weight, values) -> Tensor:
    """Returns Σ w·value over the batch, whatever rows of weight zero hold.

    Where devices or processes share the batch, it is that over the rows of all.

    Args:
        sample_weight: shape `(batch,)`, summing to 1.
        values: shape `(batch, ...)`.
    """
    weight = ops.reshape(sample_weight, (-1, *[1] * (len(values.shape) - 1)))
    return sum_over_replicas(ops.sum(ops.where(weight > 0.0, weight * values, 0.0), axis=0))
