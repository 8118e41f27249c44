"""InferenceData: what a function of the trained model is applied to, in batches of one size."""

from collections.abc import Callable, Iterator

import numpy as np

from keras_vae.reading.batch import opened, with_beside
from keras_vae.reading.forms import as_data, has_rows, in_memory
from keras_vae.reading.streams import stream_batches
from keras_vae.validation.shapes import matches


class InferenceData:
    """What a function of the trained model is applied to, in batches of one size.

    Args:
        name: what the function is called in errors.
        x: data in any form, or a dict of them, `x`, and of the `condition`.
        features: the expected shape of one sample of x.
        y: the target, or `None`; a stream brings its own.
        target_features: the shape of one sample of the target, or `None` where
            the function takes none.
        check: called with each batch before it is used, or with a whole array
            before the first: x, and y if there is one.
        condition: what is given beside x, or `None`; a stream brings its own.
        read: from what is given beside x by name, and the number of rows, to rows by name;
            with `as_rows=True` from what a stream gives.
        main: the name of x, `"x"` or `"z"`.

    Raises:
        TypeError: if x is in none of the forms.
        ValueError: if x or y is not of its shape.
    """

    def __init__(
        self,
        name,
        x,
        features,
        y=None,
        target_features=None,
        check: Callable | None = None,
        condition=None,
        read: Callable | None = None,
        main: str = "x",
    ):
        self.name, self.features, self.target_features = name, features, target_features
        self.main, self.read = main, read or (lambda beside, n, **options: {})
        x, beside = opened("x", x, condition=condition)
        beside.pop("labels", None)  # which no function takes
        self.x, self.y = as_data("x", x), as_data("y", y)
        self.check = check or (lambda *arrays: None)
        self.n = len(self.x) if has_rows(self.x) and self.x.shape else None
        if not has_rows(self.x):
            if y is not None or beside:
                what = "target" if y is not None else "condition"
                raise ValueError(
                    f"x is a stream, which brings its {what}: let its batches be (x, y), where x "
                    'may be {"x": ..., "condition": ...}, and pass nothing beside it.'
                )
            return
        if self.y is not None and not has_rows(self.y):
            raise ValueError("y must be an array of the rows of x; received a stream.")
        self._check_shapes(self.x, self.y)
        self.beside = self.read(beside, len(self.x))
        if in_memory(self.x) and (self.y is None or in_memory(self.y)):
            self.check(*_present(self.x, self.y))
            self.check = lambda *arrays: None

    def _check_shapes(self, x, y):
        for array in _present(x, y):
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

    def batches(self, size: int) -> Iterator[dict[str, np.ndarray]]:
        """Yields rows by name, x first and y last: `size` rows, fewer at the end.

        They are float32 or integers.
        """
        parts = self._from_rows(size) if has_rows(self.x) else _of_size(self._from_stream(), size)
        for part in parts:
            arrays = {name: _as_float32(array) for name, array in part.items()}
            self.check(*(arrays[name] for name in (self.main, "y") if name in arrays))
            yield arrays

    def _from_rows(self, size):
        arrays = self._by_name(self.x, self.beside, self.y)
        for start in range(0, len(self.x), size):
            rows = slice(start, start + size)
            yield {name: np.asarray(array[rows]) for name, array in arrays.items()}

    def _by_name(self, x, beside, y):
        return {self.main: x, **beside, **({} if y is None else {"y": y})}

    def _from_stream(self):
        with_target = None
        for number, batch in enumerate(stream_batches("x", self.x)):
            y = batch.y if self.target_features is not None else None
            if not len(batch.x):
                continue
            try:
                self._check_shapes(batch.x, y)
                beside = {k: v for k, v in batch.beside.items() if k != "labels"}
                given = with_beside(None, beside) or {}
                given = {k: v for k, v in given.items() if k != "x"}
                beside = self.read(given, len(batch.x), as_rows=True)
            except ValueError as error:
                raise ValueError(f"Batch {number} of x: {error}") from None
            if with_target not in (None, y is not None):
                raise ValueError(f"Batch {number} of x has a target where others have none.")
            with_target = y is not None
            yield self._by_name(batch.x, beside, y)


def _present(*arrays):
    return tuple(a for a in arrays if a is not None)


def padded(batch: np.ndarray, size: int) -> np.ndarray:
    """Returns `batch` with its first row repeated up to `size` rows."""
    if len(batch) == size:
        return batch
    return np.concatenate([batch, np.repeat(batch[:1], size - len(batch), axis=0)])


def _of_size(parts, size):
    """Yields dicts of arrays of `size` rows, and a rest, from dicts of any number of rows."""
    held, n = [], 0
    for part in parts:
        held.append(part)
        n += len(next(iter(part.values())))
        if n < size:
            continue
        whole = _joined(held)
        for start in range(0, n - size + 1, size):
            yield {name: a[start : start + size] for name, a in whole.items()}
        rest = n % size
        held = [{name: a[-rest:] for name, a in whole.items()}] if rest else []
        n = rest
    if n:
        yield _joined(held)


def _joined(parts):
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _as_float32(array):
    if array.dtype.kind == "f":
        # One dtype, so that float64 arrays do not compile a second function.
        array = array.astype("float32", copy=False)
    # torch warns of arrays that cannot be written to, as those of a memory map.
    return array if array.flags.writeable else array.copy()
