"""Reads data in every form that a VAE takes: arrays, frames, sparse matrices, tables, streams."""

import numbers
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import keras
import numpy as np

from keras_vae.reading.lazy_rows import LazyRows, TableRows, as_sparse_rows, is_table
from keras_vae.reading.mapped_rows import MappedRows

_NUMBERS = (numbers.Real, Decimal, np.bool_)
_FORMS = (
    "an array or frame, a sparse matrix, or a stream of batches: a tf.data.Dataset, "
    "keras.utils.PyDataset, torch DataLoader or generator"
)


def has_rows(data) -> bool:
    """Returns whether what `as_data` gave has rows to look up, and is no stream of batches."""
    return isinstance(data, (np.ndarray, LazyRows))


def in_memory(data) -> bool:
    """Returns whether what `as_data` gave is an array that lies in memory."""
    return isinstance(data, np.ndarray)


def as_data(name: str, data) -> Any:
    """Returns data in one of three forms.

    Args:
        name: what it is called in errors.
        data: an array or tensor of any library, a frame, a list of numbers, a sparse matrix or
            tensor, a table of one column, a stream of batches, or `None`.

    Returns:
        A NumPy array; `LazyRows` for what is sparse, a table or a memory map; a stream as it is.

    Raises:
        TypeError: if it is none of these, or several arrays.
        ValueError: if a column of a frame does not hold numbers.
    """
    if isinstance(data, np.memmap) and data.ndim:
        return MappedRows(data)
    if data is None or has_rows(data):
        return data
    if type(data).__name__ == "EagerTensor":  # TensorFlow's take long to say what they have not
        return as_numpy(name, data)
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


def as_labels(name: str, data) -> np.ndarray:
    """Returns numbers, strings or `None`, one or many, in any form of arrays, as an array."""
    if isinstance(data, (list, tuple)):
        flat = keras.tree.flatten(data)
        is_text = any(value is None or isinstance(value, (str, bytes)) for value in flat)
        return np.array(data, object if is_text else None)
    if isinstance(data, (str, bytes)) or data is None:
        return np.array(data, object)
    if hasattr(data, "to_numpy"):
        return np.asarray(data.to_numpy())
    if not hasattr(data, "shape") and hasattr(data, "__iter__"):
        raise TypeError(
            f"{name} must be an array with a row for each of x; received {data!r}. A stream brings "
            'its own: let its batches be dicts {"x": ..., "condition": ...}.'
        )
    return as_numpy(name, data)


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
