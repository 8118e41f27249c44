"""Keeps what rows of sample weight zero hold away from a step."""

from keras import ops


def replaced(x, y, sample_weight):
    """Returns a batch whose rows of weight zero are copies of its first row that counts.

    A weight of zero undoes no NaN: 0 · NaN is NaN, in the loss and in its gradient alike. A row
    that counts is one that all layers can take. Without one, the rows are zeros.

    Args:
        x: data, `(batch, *features)`.
        y: the target, or `None` where it is x.
        sample_weight: one weight per sample, or `None`, where nothing is done.

    Returns:
        `(x, y, sample_weight)`.
    """
    if sample_weight is None:
        return x, y, sample_weight
    counts = ops.reshape(ops.convert_to_tensor(sample_weight) > 0, (-1,))
    is_first = ops.logical_and(counts, ops.cumsum(ops.cast(counts, "int32")) == 1)
    x, y = (None if part is None else _filled(part, counts, is_first) for part in (x, y))
    return x, y, sample_weight


def _filled(x, counts, is_first):
    x = ops.convert_to_tensor(x)
    counts, is_first = (ops.reshape(c, (-1, *[1] * (len(x.shape) - 1))) for c in (counts, is_first))
    # A sum, which a batch without such a row has too, and a select, which compilers fuse.
    first = ops.sum(ops.where(is_first, x, ops.zeros_like(x)), axis=0, keepdims=True)
    return ops.where(counts, x, ops.cast(first, x.dtype))
