"""Keeps what rows of sample weight zero hold away from a step."""

import contextvars
from typing import Any

import keras
from keras import ops

# Set while a step runs on rows that all layers can take.
_left_alone = contextvars.ContextVar("keras_vae_rows_left_alone", default=False)


def left_alone(step, *args) -> Any:
    """Runs a step, in which the rows of weight zero are copies of others already."""
    token = _left_alone.set(True)
    try:
        return step(*args)
    finally:
        _left_alone.reset(token)


def replaced(x, y, sample_weight) -> tuple:
    """Returns a batch whose rows of weight zero are copies of its first row that counts.

    A weight of zero undoes no NaN: 0 · NaN is NaN, in the loss and in its gradient alike. A row
    that counts is one that all layers can take. Without one, the rows are zeros.

    Args:
        x: data, `(batch, *features)`, or a dict of it and what is given beside it.
        y: the target, or `None` where it is x.
        sample_weight: one weight per sample, or `None`, where nothing is done.

    Returns:
        `(x, y, sample_weight)`.
    """
    if sample_weight is None or _left_alone.get():
        return x, y, sample_weight
    weights = ops.cast(ops.convert_to_tensor(sample_weight), "float32")  # booleans too
    counts = ops.reshape(weights > 0.0, (-1,))
    is_first = ops.logical_and(counts, ops.cumsum(ops.cast(counts, "int32")) == 1)
    x = keras.tree.map_structure(lambda part: _filled(part, counts, is_first), x)
    y = None if y is None else _filled(y, counts, is_first)
    return x, y, sample_weight


def _filled(x, counts, is_first):
    x = ops.convert_to_tensor(x)
    counts, is_first = (ops.reshape(c, (-1, *[1] * (len(x.shape) - 1))) for c in (counts, is_first))
    # A sum, which a batch without such a row has too, and a select, which compilers fuse.
    first = ops.sum(ops.where(is_first, x, ops.zeros_like(x)), axis=0, keepdims=True)
    return ops.where(counts, x, ops.cast(first, x.dtype))
