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
    place = ops.cumsum(ops.cast(counts, "int32"))
    index = ops.cumsum(ops.ones_like(place)) - 1
    first = ops.sum(ops.cast(place == 0, "int32"))
    rows = ops.where(counts, index, first)
    return _taken(x, rows), None if y is None else _taken(y, rows), sample_weight


def _taken(x, rows):
    x = ops.convert_to_tensor(x)
    # Without a row that counts, `first` is the number of rows; a batch may also have none.
    zeros = ops.zeros((1, *ops.shape(x)[1:]), dtype=x.dtype)
    return ops.take(ops.concatenate([x, zeros]), rows, axis=0)
