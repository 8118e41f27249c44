"""Reads data in every form that a VAE takes: arrays, frames, sparse matrices, tables, streams."""

import copy
import functools
import itertools
import numbers
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

import keras
import numpy as np

from keras_vae.shapes import matches
from keras_vae.training.lazy_rows import LazyRows, TableRows, as_sparse_rows, is_table

_NUMBERS = (numbers.Real, Decimal, np.bool_)
_FORMS = (
    "an array or frame, a sparse matrix, or a stream of batches: a tf.data.Dataset, "
    "keras.utils.PyDataset, torch DataLoader or generator"
)


def has_rows(data) -> bool:
    """Returns whether what `as_data` gave has rows to look up, and is no stream of batches."""
    return isinstance(data, (np.ndarray, LazyRows))


def in_memory(data) -> bool:
    """Returns whether `data` is an array that lies in memory, not in a file mapped to it."""
    return isinstance(data, np.ndarray) and not isinstance(data, np.memmap)


def as_data(name: str, data):
    """Returns data in one of three forms.

    Args:
        name: what it is called in errors.
        data: an array or tensor of any library, a frame, a list of numbers, a sparse matrix or
            tensor, a table of one column, a stream of batches, or `None`.

    Returns:
        A NumPy array; `LazyRows` for what is sparse or a table; a stream as it is.

    Raises:
        TypeError: if it is none of these, or several arrays.
        ValueError: if a column of a frame does not hold numbers.
    """
    if data is None or has_rows(data):
        return data
    if isinstance(data, (list, tuple, Mapping)):
        return _of_collection(name, data)
    sparse = as_sparse_rows(data)
    if sparse is not None:
        return sparse
    if hasattr(data, "to_numpy"):
        return _of_frame(name, data)
    if hasattr(data, "dtype") and hasattr(data, "shape"):
        return as_numpy(name, data)
    if isinstance(data, keras.utils.PyDataset):
        return data
    if is_table(data):
        return TableRows(name, data)
    if _is_torch_dataset(data):
        raise TypeError(
            f"{name} is a torch dataset, which gives one sample at a time. Pass "
            "torch.utils.data.DataLoader(dataset, batch_size)."
        )
    if isinstance(data, (str, bytes)) or not (
        hasattr(data, "__iter__") or hasattr(data, "__getitem__")
    ):
        raise TypeError(f"{name} must be {_FORMS}; received {data!r}.")
    return data


def as_numpy(name: str, data) -> np.ndarray:
    """Returns an array or tensor of any library as NumPy, on whatever device it lies."""
    if type(data).__name__ == "RaggedTensor":
        raise ValueError(f"{name} is ragged. Pad its samples to one shape: x.to_tensor().")
    if hasattr(data, "detach"):  # a tensor of torch
        data = data.detach().cpu()
        data = data.float() if str(data.dtype) == "torch.bfloat16" else data.numpy()
    array = np.asarray(data)
    # bfloat16 and the like are no types of NumPy's own.
    return (
        array.astype("float32") if array.dtype.kind == "V" and array.dtype.names is None else array
    )


def _of_collection(name, data):
    kind = type(data).__name__
    leaves = list(data.values()) if isinstance(data, Mapping) else list(data)
    if isinstance(data, Mapping) or any(map(_is_no_list, leaves)):
        shapes = ", ".join(str(tuple(getattr(leaf, "shape", ()))) for leaf in leaves[:3])
        raise TypeError(
            f"{name} must be one array, as a VAE has one input and one target; received a {kind} "
            f"of {len(leaves)}, of shapes {shapes}{', ...' if len(leaves) > 3 else ''}. Several "
            "inputs are joined, np.concatenate([a, b], axis=-1), and parted again in the encoder's "
            "network; samples are stacked: np.stack(samples)."
        )
    try:
        array = np.asarray(data)
    except ValueError:
        raise ValueError(f"{name} is a list of rows of different lengths. Pad them.") from None
    return array


def _is_no_list(leaf):
    return not isinstance(leaf, (list, tuple, *_NUMBERS))


def _is_torch_dataset(data):
    bases = [b for b in type(data).__mro__ if b.__module__.startswith("torch.utils.data")]
    return "Dataset" in [b.__name__ for b in bases] and "DataLoader" not in [
        b.__name__ for b in bases
    ]


def _of_frame(name, frame):
    array = np.asarray(frame.to_numpy())
    if array.dtype.kind != "O" or array.ndim > 2:
        return array
    # Columns of several types come as objects.
    columns = [array] if array.ndim == 1 else list(array.T)
    labels = list(getattr(frame, "columns", range(len(columns))))
    numeric = [
        _column(f"{name}: column {label!r}", column)
        for label, column in zip(labels, columns, strict=True)
    ]
    return numeric[0] if array.ndim == 1 else np.stack(numeric, axis=1)


def _column(name, values):
    for kind in set(map(type, values)):
        if not (issubclass(kind, _NUMBERS) or _is_missing(kind)):
            raise ValueError(
                f"{name} must hold numbers or booleans, but has values of type {kind.__name__}. "
                "Leave it out, or make it numbers: pandas.get_dummies(frame, columns=[...])."
            )
    return np.array([np.nan if _is_missing(type(v)) else v for v in values], "float32")


def _is_missing(kind):
    return kind.__name__ in ("NoneType", "NAType")


# Streams


def first_batch(name: str, stream):
    """Looks at the first batch of a stream.

    Args:
        name: what the stream is called in errors.
        stream: a stream of batches.

    Returns:
        The batch as arrays, `(x, y, sample_weight)`, and the stream to hand to
        Keras, which still begins with it.

    Raises:
        ValueError: if the stream is empty or the batch is not of one of the forms.
    """
    try:
        if hasattr(stream, "take"):
            batch = next(iter(stream.take(1)))
        elif hasattr(stream, "__getitem__"):
            batch = stream[0]
        else:
            iterator = iter(stream)
            batch = next(iterator)
    except (StopIteration, IndexError):
        raise _empty(name) from None
    arrays = as_batch(name, 0, batch)
    parts = keras.tree.flatten(batch) if isinstance(batch, (list, tuple)) else [batch]
    if any(as_sparse_rows(part) is not None for part in parts):
        stream = _made_dense(name, stream)
    if hasattr(stream, "take") or hasattr(stream, "__getitem__"):
        return arrays, stream
    if iterator is stream:
        return arrays, _checked(name, itertools.chain([batch], iterator))
    if not isinstance(batch, (list, tuple)) and hasattr(stream, "collate_fn"):
        # Keras takes a bare tensor of a torch DataLoader for a tuple of its rows.
        stream = copy.copy(stream)
        stream.collate_fn = functools.partial(_collate_to_tuple, stream.collate_fn)
    return arrays, stream


def _checked(name, batches):
    """Yields tuples of arrays, as Keras takes them of generators, all of one shape of sample."""
    expected = None
    for number, batch in enumerate(batches):
        arrays = [a for a in as_batch(name, number, batch) if a is not None]
        shapes = [a.shape[1:] for a in arrays]
        expected = expected or shapes
        if shapes != expected:
            raise ValueError(
                f"Batch {number} of {name} has samples of shape {_listed(shapes)}; those before "
                f"have {_listed(expected)}."
            )
        yield tuple(arrays)


def _listed(shapes):
    return " and ".join(map(str, shapes))


def _made_dense(name, stream):
    if not hasattr(stream, "map"):
        if hasattr(stream, "__next__"):
            return stream
        raise ValueError(
            f"{name} gives sparse batches, which Keras does not train on. Make them dense in the "
            "stream: batch.toarray()."
        )
    import tensorflow as tf

    def dense(*parts):
        return tuple(tf.sparse.to_dense(p) if isinstance(p, tf.SparseTensor) else p for p in parts)

    return stream.map(dense)


def _collate_to_tuple(collate, samples):
    return (collate(samples),)


def _empty(name):
    return ValueError(f"{name} is empty: it has no batch.")


def as_batch(name: str, number: int, batch) -> tuple:
    """Returns batch `number` of a stream as `(x, y, sample_weight)`, arrays or `None`."""
    where = f"batch {number} of {name}"
    if isinstance(batch, Mapping):
        raise ValueError(
            f"{where} is a dict of {', '.join(map(repr, batch))}, but must be x, (x, y) or (x, y, "
            "sample_weight). Choose from it: dataset.map(lambda batch: batch[...])."
        )
    if isinstance(batch, (list, tuple)) and not 1 <= len(batch) <= 3:
        raise ValueError(
            f"{where} has {len(batch)} parts, but must be x, (x, y) or (x, y, sample_weight)."
        )
    x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
    arrays = [as_data(where, part) for part in (x, y, weights)]
    if not all(part is None or has_rows(part) for part in arrays):
        raise ValueError(f"{where} must be x, (x, y) or (x, y, sample_weight), each one array.")
    arrays = [part[:] if isinstance(part, LazyRows) else part for part in arrays]
    sizes = [a.shape[:1] for a in arrays if a is not None]
    if len(set(sizes)) > 1:
        raise ValueError(
            f"{where} has parts of {', '.join(str(n[0]) if n else 'no' for n in sizes)} rows."
        )
    return tuple(arrays)


def stream_batches(name: str, stream) -> Iterator[tuple]:
    """Yields the batches of a stream as arrays, `(x, y, sample_weight)`, once through.

    Raises:
        ValueError: if the stream is empty or without end, or a batch is not of one of the forms.
    """
    batches = stream
    if isinstance(stream, keras.utils.PyDataset):
        n = stream.num_batches
        batches = None if n is None else (stream[i] for i in range(n))
    elif hasattr(stream, "cardinality") and int(stream.cardinality()) == -1:
        batches = None
    if batches is None:
        raise ValueError(f"{name} has no end. Pass a stream that goes through the data once.")
    number = -1
    for number, batch in enumerate(batches):
        yield as_batch(name, number, batch)
    if number < 0:
        raise _empty(name)


# Batches for inference


def first_rows(name: str, data, n: int) -> np.ndarray:
    """Returns the first `n` rows of x in any form, or all where there are fewer."""
    data = as_data(name, data)
    if has_rows(data):
        return np.asarray(data[:n])
    rows, batches = [], stream_batches(name, data)
    while sum(map(len, rows)) < n and (batch := next(batches, None)) is not None:
        rows.append(batch[0])
    return np.concatenate(rows)[:n]


class InferenceData:
    """What a function of the trained model is applied to, in batches of one size.

    Args:
        name: what the function is called in errors.
        x: data in any form.
        features: the expected shape of one sample of x.
        y: the target, or `None`; a stream brings its own.
        target_features: the shape of one sample of the target, or `None` where
            the function takes none.
        check: called with each batch before it is used, or with a whole array
            before the first: x, and y if there is one.

    Raises:
        TypeError: if x is in none of the forms.
        ValueError: if x or y is not of its shape.
    """

    def __init__(
        self, name, x, features, y=None, target_features=None, check: Callable | None = None
    ):
        self.name, self.features, self.target_features = name, features, target_features
        self.x, self.y = as_data("x", x), as_data("y", y)
        self.check = check or (lambda *arrays: None)
        self.n = len(self.x) if has_rows(self.x) and self.x.shape else None
        if not has_rows(self.x):
            if y is not None:
                raise ValueError(
                    "x is a stream, which brings its target: let its batches be (x, y), and pass "
                    "no y."
                )
            return
        if self.y is not None and not has_rows(self.y):
            raise ValueError("y must be an array of the rows of x; received a stream.")
        self._check_shapes(self.x, self.y)
        if in_memory(self.x) and (self.y is None or in_memory(self.y)):
            self.check(*self._present(self.x, self.y))
            self.check = lambda *arrays: None

    def _present(self, *arrays):
        return tuple(a for a in arrays if a is not None)

    def _check_shapes(self, x, y):
        for array in self._present(x, y):
            if array.dtype.kind not in "biuf":
                raise ValueError(f"The data must hold numbers; its dtype is {array.dtype}.")
        if not matches(x.shape, (None, *self.features)) or not len(x):
            hint = " One sample needs a batch axis: x[None]." if x.shape == self.features else ""
            raise ValueError(
                f"{self.name} takes an array of shape (n, {', '.join(map(str, self.features))}) "
                f"with n > 0; received {x.shape}, samples of shape {x.shape[1:]}.{hint}"
            )
        if y is None:
            return
        if not matches(y.shape, (None, *self.target_features)):
            raise ValueError(
                f"{self.name} takes a target of shape (n, "
                f"{', '.join(map(str, self.target_features))}); received {y.shape}."
            )
        if len(x) != len(y):
            raise ValueError(f"x has {len(x)} samples, but y has {len(y)}.")

    def batches(self, size: int) -> Iterator[tuple]:
        """Yields `(x,)` or `(x, y)` of `size` rows, fewer at the end, as float32 or integers."""
        parts = self._from_rows(size) if has_rows(self.x) else _of_size(self._from_stream(), size)
        for part in parts:
            arrays = tuple(map(_as_float32, part))
            self.check(*arrays)
            yield arrays

    def _from_rows(self, size):
        for start in range(0, len(self.x), size):
            rows = slice(start, start + size)
            yield tuple(np.asarray(a[rows]) for a in self._present(self.x, self.y))

    def _from_stream(self):
        with_target = None
        for number, (x, y, _) in enumerate(stream_batches("x", self.x)):
            y = y if self.target_features is not None else None
            if not len(x):
                continue
            try:
                self._check_shapes(x, y)
            except ValueError as error:
                raise ValueError(f"Batch {number} of x: {error}") from None
            if with_target not in (None, y is not None):
                raise ValueError(f"Batch {number} of x has a target where others have none.")
            with_target = y is not None
            yield self._present(x, y)


def _of_size(parts, size):
    """Yields tuples of arrays of `size` rows, and a rest, from tuples of any number of rows."""
    held, n = [], 0
    for part in parts:
        held.append(part)
        n += len(part[0])
        if n < size:
            continue
        whole = _joined(held)
        for start in range(0, n - size + 1, size):
            yield tuple(a[start : start + size] for a in whole)
        rest = n % size
        held, n = ([tuple(a[-rest:] for a in whole)] if rest else []), rest
    if n:
        yield _joined(held)


def _joined(parts):
    return parts[0] if len(parts) == 1 else tuple(map(np.concatenate, zip(*parts, strict=True)))


def _as_float32(array):
    if array.dtype.kind == "f":
        # One dtype, so that float64 arrays do not compile a second function.
        array = array.astype("float32", copy=False)
    # torch warns of arrays that cannot be written to, as those of a memory map.
    return array if array.flags.writeable else array.copy()
