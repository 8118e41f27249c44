"""What devices and processes that share a batch know of one another's rows.

Each computes the loss of its own rows, and their gradients are summed. Where one computes alone,
all of this is the identity.
"""

from keras import ops

from keras_vae.backend import is_tracing, num_replicas, replica_number, sum_over_replicas
from keras_vae.typing import Tensor


def share_of_batch(weights) -> Tensor | float:
    """Returns how much of the batch's weight the rows of this replica have.

    The means of the replicas, times their shares, add up to the mean over the batch, so that a
    row weighs the same wherever it lies, and a replica without rows counts for nothing.

    Args:
        weights: of the rows of this replica, `(batch,)`.
    """
    if num_replicas() == 1:
        return 1.0
    own = ops.sum(weights)
    total = sum_over_replicas(own)
    share = own / ops.maximum(total, 1e-12)
    return ops.where(total > 0.0, share, 1.0 / num_replicas())


def rows_of_all(x, axis: int = 0) -> Tensor:
    """Returns the rows of all replicas, in their order; the gradient reaches each one's own.

    Args:
        x: the rows of this replica along `axis`, of any number.
        axis: which of its axes that is.
    """
    if num_replicas() == 1:
        return x
    axis %= len(x.shape)
    before, after = _rows_beside(ops.shape(x)[axis])
    shape = list(ops.shape(x))
    ahead, behind = ([*shape[:axis], n, *shape[axis + 1 :]] for n in (before, after))
    parts = [ops.zeros(ahead, x.dtype), x, ops.zeros(behind, x.dtype)]
    return sum_over_replicas(ops.concatenate(parts, axis=axis))


def own_rows(x, like) -> Tensor:
    """Returns this replica's rows of `rows_of_all`.

    Args:
        x: rows of all replicas, `(n, ...)`.
        like: any tensor of this replica's rows, `(batch, ...)`.
    """
    if num_replicas() == 1:
        return x
    n = ops.shape(like)[0]
    before, _ = _rows_beside(n)
    return x[before : before + n]


def _rows_beside(n):
    """Returns how many rows the replicas before and after this one have."""
    number, count = replica_number(), num_replicas()
    is_own = ops.equal(ops.arange(count), number)
    sizes = sum_over_replicas(ops.where(is_own, ops.cast(n, "int32"), 0))
    before = ops.sum(ops.where(ops.arange(count) < number, sizes, 0))
    after = ops.sum(ops.where(ops.arange(count) > number, sizes, 0))
    return (before, after) if is_tracing() else (int(before), int(after))
