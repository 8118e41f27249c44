"""WatchedRows: the rows of data that a callback looks at, and what is given beside them."""

import numpy as np

from keras_vae.reading.batch import opened, with_beside
from keras_vae.reading.forms import as_data, has_rows
from keras_vae.reading.streams import stream_batches
from keras_vae.training.beside import Rows


class WatchedRows:
    """The first rows of x, and of a condition, which the model reads when it is there.

    Args:
        x: data in any form that `fit` takes, also a dict of `x` and `condition`.
        condition: what is given beside x, one for all rows or one for each.
        most: how many rows, at most.

    Attributes:
        x: the rows, an array.
        n: how many rows there are in all; of a stream those that were read.
        is_stream: whether they come from a stream.
    """

    def __init__(self, x, condition, most: int):
        x, beside = opened("x", x, condition=condition)
        data = as_data("x", x)
        self.is_stream = not has_rows(data)
        if self.is_stream:
            if beside:
                raise ValueError(
                    "x is a stream, which brings its condition: let its batches be "
                    '{"x": ..., "condition": ...}, and pass nothing beside it.'
                )
            data, beside = _first_batches(data, most)
        self.n, self.x = len(data), np.asarray(data[:most])
        self.condition = beside.get("condition")

    def condition_for(self, model) -> Rows | None:
        """Returns the rows of the condition, as a model reads them; `None` without one."""
        read = model.beside(inference=True).read
        rows = read({"condition": self.condition}, self.n, as_rows=self.is_stream)
        return Rows({name: part[: len(self.x)] for name, part in rows.items()}) if rows else None


def _first_batches(stream, most):
    """Returns x and what is beside it of the first batches of a stream, as arrays."""
    batches, n = [], 0
    for batch in stream_batches("x", stream):
        batches.append(batch)
        n += len(batch.x)
        if n >= most:
            break
    joined = {
        name: np.concatenate([batch.beside[name] for batch in batches])
        for name in batches[0].beside
    }
    beside = with_beside(None, joined) or {}
    return np.concatenate([batch.x for batch in batches]), beside
