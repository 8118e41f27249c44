"""Reads streams of batches: tf.data, PyDataset, torch DataLoader, generators."""

import copy
import functools
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import keras

from keras_vae.reading import loaders
from keras_vae.reading.batch import Batch, flat, opened, packed
from keras_vae.reading.forms import as_data, as_labels, has_rows
from keras_vae.reading.lazy_rows import LazyRows, as_sparse_rows


def first_batch(name: str, stream) -> tuple[Batch, Any]:
    """Looks at the first batch of a stream.

    Args:
        name: what the stream is called in errors.
        stream: a stream of batches.

    Returns:
        The batch as arrays, and the stream to hand to Keras, which still begins with it.

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
    if not isinstance(batch, (list, tuple)) and is_loader(stream):
        # Keras takes a bare tensor of a torch DataLoader for a tuple of its rows, a dict for its
        # keys.
        stream = copy.copy(stream)
        stream.collate_fn = functools.partial(_collate_to_tuple, stream.collate_fn)
    return arrays, stream


def is_tf_dataset(stream) -> bool:
    """Returns whether a stream is a `tf.data.Dataset`."""
    return hasattr(stream, "element_spec")


def is_loader(stream) -> bool:
    """Returns whether a stream is a torch `DataLoader`."""
    return hasattr(stream, "collate_fn")


def length(stream) -> int | None:
    """Returns how many batches a stream has, `None` where it has no end or does not know."""
    if hasattr(stream, "cardinality"):
        n = int(stream.cardinality())
        return n if n >= 0 else None
    try:
        return len(stream)
    except TypeError:
        return None


def once_through(stream) -> Iterator:
    """Returns an iterator over the batches of a stream."""
    if is_loader(stream):
        return loaders.batches_of(stream)
    return _let_go_elsewhere([iter(stream)]) if is_tf_dataset(stream) else iter(stream)


def _let_go_elsewhere(held):
    """Yields what the one iterator of a list does, and drops it in a thread of its own.

    Where an iterator of tf.data ends, its tuner may miss that it shall, and it waits until that
    wakes by itself: the later the longer, up to a minute.
    """
    try:
        yield from held[0]
    finally:
        threading.Thread(target=held.clear, daemon=True).start()


def _checked(name, batches):
    """Yields tuples of arrays, as Keras takes them of generators, all of one shape of sample."""
    expected = None
    for number, batch in enumerate(batches):
        arrays = as_batch(name, number, batch).by_name()
        shapes = {key: a.shape[1:] for key, a in arrays.items()}
        expected = expected or shapes
        if shapes != expected:
            raise ValueError(
                f"Batch {number} of {name} has samples of shape {_listed(shapes)}; those before "
                f"have {_listed(expected)}."
            )
        yield packed(arrays, arrays.values())


def _listed(shapes):
    return " and ".join(map(str, shapes.values()))


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


def as_batch(name: str, number: int, batch) -> Batch:
    """Returns batch `number` of a stream as arrays."""
    where = f"batch {number} of {name}"
    if isinstance(batch, (list, tuple)) and not 1 <= len(batch) <= 3:
        raise ValueError(
            f"{where} has {len(batch)} parts, but must be x, (x, y) or (x, y, sample_weight)."
        )
    x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
    x, beside = opened(where, x)
    arrays = [as_data(where, part) for part in (x, y, weights)]
    if not all(part is None or has_rows(part) for part in arrays):
        raise ValueError(f"{where} must be x, (x, y) or (x, y, sample_weight), each one array.")
    arrays = [part[:] if isinstance(part, LazyRows) else part for part in arrays]
    beside = {key: _numbers(f"{key} of {where}", rows) for key, rows in flat(beside).items()}
    sizes = [a.shape[:1] for a in (*arrays, *beside.values()) if a is not None]
    if len(set(sizes)) > 1:
        raise ValueError(
            f"{where} has parts of {', '.join(str(n[0]) if n else 'no' for n in sizes)} rows."
        )
    x, y, weights = arrays
    return Batch(x, y, weights, beside)


def _numbers(name, rows):
    array = as_labels(name, rows)
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} holds {array.dtype} values. A stream gives numbers: of named categories their "
            'places among the names, vae.condition.read(c)["condition"].'
        )
    return array


def stream_batches(name: str, stream) -> Iterator[Batch]:
    """Yields the batches of a stream as arrays, once through.

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
    for number, batch in enumerate(once_through(batches)):
        yield as_batch(name, number, batch)
    if number < 0:
        raise _empty(name)
