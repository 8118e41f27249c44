"""LazyRows: data whose rows are made dense NumPy arrays when they are asked for."""

from collections.abc import Mapping

import numpy as np


class LazyRows:
    """Rows that are read a batch at a time, so that the whole never lies in memory.

    Attributes:
        shape: `(n, *features)`, as of an array.
        dtype: of the arrays that are read.
    """

    shape: tuple
    dtype: np.dtype

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows) -> np.ndarray:
        """Returns the rows of a slice, or those with the numbers in an array."""
        raise NotImplementedError


class SparseRows(LazyRows):
    """A sparse matrix or tensor.

    Args:
        indices: where the values stand, `(number of values, rank)`.
        values: of shape `(number of values,)`; those of one place are summed.
        shape: of the whole.
    """

    def __init__(self, indices, values, shape):
        # By rows, so that those of a batch are found by halving.
        by_row = np.argsort(indices[:, 0], kind="stable")
        self.places, self.values = indices[by_row, 1:], values[by_row]
        self.starts = np.searchsorted(indices[by_row, 0], np.arange(shape[0] + 1))
        self.shape, self.dtype = tuple(map(int, shape)), values.dtype

    def __getitem__(self, rows):
        rows = np.arange(len(self))[rows]
        counts = self.starts[rows + 1] - self.starts[rows]
        ends = np.cumsum(counts)
        found = np.arange(counts.sum()) + np.repeat(self.starts[rows] - ends + counts, counts)
        dense = np.zeros((len(rows), *self.shape[1:]), self.dtype)
        in_batch = np.repeat(np.arange(len(rows)), counts)
        np.add.at(dense, (in_batch, *self.places[found].T), self.values[found])
        return dense


class TableRows(LazyRows):
    """The one column of a table that gives dicts of arrays by column, as Hugging Face's datasets.

    Args:
        name: what it is called in errors.
        table: an object with a length, and dicts of arrays for slices and lists of rows.

    Raises:
        ValueError: if it has no column, or more than one.
    """

    def __init__(self, name: str, table):
        columns = list(table[0:1])
        if len(columns) != 1:
            raise ValueError(
                f"{name} is a table with the columns {', '.join(map(repr, columns))}, but must be "
                "one array. Choose the column: dataset.select_columns([...]). For a table with a "
                "number in each column pass a frame: dataset.to_pandas()."
            )
        self.name, self.table, self.column = name, table, columns[0]
        first = self[0:1]
        self.shape, self.dtype = (len(table), *first.shape[1:]), first.dtype

    def __getitem__(self, rows):
        rows = rows if isinstance(rows, slice) else np.asarray(rows).tolist()
        column = self.table[rows][self.column]
        try:
            array = column.numpy() if hasattr(column, "numpy") else np.asarray(column)
        except ValueError:  # of rows that are not of one shape
            array = np.empty(len(column), object)
        if array.dtype.kind not in "biuf":
            raise ValueError(
                f"{self.name} must give arrays of numbers, all of one shape; its column "
                f'{self.column!r} does not. Make it: dataset.with_format("numpy"), after '
                "dataset.map(...) where samples differ in shape."
            )
        return array


def is_table(data) -> bool:
    """Returns whether slices of `data` are dicts of columns."""
    if not (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
        return False
    try:
        return isinstance(data[0:1], Mapping)
    except (TypeError, ValueError, LookupError, AttributeError):  # it takes no slices
        return False


def as_sparse_rows(data) -> SparseRows | None:
    """Returns a sparse matrix or tensor of any library as `SparseRows`; else None."""
    kind = type(data).__name__
    if hasattr(data, "tocoo"):  # scipy
        coo = data.tocoo()
        places = getattr(coo, "coords", None) or (coo.row, coo.col)
        return SparseRows(np.stack(places, axis=1), coo.data, coo.shape)
    if kind == "SparseTensor":  # TensorFlow
        return SparseRows(data.indices.numpy(), data.values.numpy(), data.dense_shape.numpy())
    if kind == "BCOO":  # JAX
        return SparseRows(np.asarray(data.indices), np.asarray(data.data), data.shape)
    if getattr(data, "layout", None) is not None and "sparse" in str(data.layout):  # torch
        coo = data.detach().cpu().to_sparse_coo().coalesce()
        return SparseRows(coo.indices().numpy().T, coo.values().numpy(), data.shape)
    return None
