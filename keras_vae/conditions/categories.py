"""Categories: the base of the conditions that are one of several categories."""

import numpy as np
from keras import ops

from keras_vae.conditions.base import Condition
from keras_vae.reading.forms import as_labels
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_count, plain


class Categories(Condition):
    """c is one of n categories, 0 to n - 1, or of names; unknown are -1, NaN and `None`.

    Args:
        categories: n, or the names of the categories, a list of strings or integers.
        names: those names, where `categories` is n; by default they are learned from
            the data of the first `fit` if that holds strings.
        unknown: as of every condition.
        seed: as of every condition.

    Raises:
        ValueError: if there are no categories, or two of one name.
    """

    row_shape = ()
    row_dtype = "int32"
    unknown_row = -1

    def __init__(
        self,
        categories,
        names: list | None = None,
        unknown: float | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(unknown=unknown, seed=seed, **kwargs)
        if isinstance(categories, (list, tuple, np.ndarray)):
            names, categories = list(categories), len(categories)
        self.n = check_count("categories", categories)
        # A tuple, as Keras makes a list of its own of a list.
        self.names = None if names is None else tuple(plain(name) for name in names)
        if self.names is not None and not (len(set(self.names)) == len(self.names) <= self.n):
            raise ValueError(
                f"The names of {self.n} categories must be at most as many, each once; received "
                f"{list(self.names)}."
            )

    def learn(self, name, values) -> None:
        if self.names is not None or not _is_text(values):
            return
        found = sorted({str(v) for v in values.ravel() if not _is_missing(v)})
        if len(found) > self.n:
            raise ValueError(
                f"{name} has {len(found)} categories, {_listed(found)}, but {type(self).__name__} "
                f"is made for {self.n}: make it for {len(found)}."
            )
        self.names = tuple(found)

    def read_rows(self, name, values) -> np.ndarray:
        values, missing = self._flat(name, values)
        if self.names is not None:
            rows = self._by_name(name, values, missing)
        elif _is_text(values):
            raise ValueError(
                f"{name} holds {_listed(values[~missing][:1])}, but the condition knows its "
                f"{self.n} categories by number. Name them: {type(self).__name__}([...])."
            )
        else:
            rows = self._by_number(name, values, missing)
        return rows.astype("int32")

    def check_rows(self, name, rows) -> np.ndarray:
        return self._by_number(name, *self._flat(name, rows)).astype("int32")

    def _flat(self, name, values):
        """Returns the values in one row, and which of them are unknown."""
        if values.ndim > 1 and values.shape[1:] != (1,):
            raise ValueError(
                f"{name} must hold one category for each row, shape (n,); received "
                f"{values.shape}. Of one-hot vectors take the category: c.argmax(axis=-1)."
            )
        values = values.ravel()
        says_unknown = () if self.names and -1 in self.names else (-1,)
        return values, np.array([_is_missing(v) or v in says_unknown for v in values], bool)

    def _by_name(self, name, values, missing):
        places = {category: i for i, category in enumerate(self.names)}
        texts = all(isinstance(category, str) for category in self.names)
        keys = [str(v) if texts else plain(v) for v in values]
        unseen = {k for k, m in zip(keys, missing, strict=True) if not m and k not in places}
        if unseen:
            raise ValueError(
                f"{name} has {_listed(sorted(unseen, key=str))}, but the condition knows "
                f"{_listed(self.names)} only."
            )
        return np.array([places.get(key, -1) for key in keys])

    def _by_number(self, name, values, missing):
        numbers = np.where(missing, -1, values).astype("float64")
        wrong = numbers[(numbers < -1) | (numbers >= self.n) | (numbers != np.floor(numbers))]
        if wrong.size:
            raise ValueError(
                f"{name} has {_listed(np.unique(wrong).tolist())}, but categories are the whole "
                f"numbers 0 to {self.n - 1}, and -1 for unknown."
            )
        return numbers

    def all_values(self) -> list:
        return list(range(self.n) if self.names is None else self.names)

    def label(self, row) -> str:
        if row < 0:
            return "unknown"
        return str(row if self.names is None or row >= len(self.names) else self.names[row])

    def read_labels(self, values, n: int | None, learn: bool, as_rows: bool = False) -> np.ndarray:
        """Returns a user's labels, unknown ones among them, as rows of numbers.

        Args:
            values: categories; -1, NaN and `None` where they are unknown.
            n: how many there must be; `None` for as many as there are.
            learn: whether these are data to train on.
            as_rows: whether they are rows already, as of a stream.

        Raises:
            ValueError: if they are none that the condition knows, or not n.
        """
        array = np.atleast_1d(as_labels("labels", values))
        if learn and not as_rows:
            self.learn("labels", array)
        rows = (self.check_rows if as_rows else self.read_rows)("labels", array)
        if n is not None and len(rows) != n:
            raise ValueError(f"There are {len(rows)} labels, but {n} rows of x.")
        return rows

    def unknown_rows(self, rows) -> np.ndarray:
        return rows == -1

    def examples(self, rng, n) -> np.ndarray:
        return rng.integers(self.n, size=n).astype("int32")

    def is_unknown(self, rows) -> Tensor:
        return ops.equal(rows, -1)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "categories": self.n,
            "names": self.names and list(self.names),
        }


def _is_text(values):
    kinds = {type(v) for v in values.ravel()} if values.dtype.kind == "O" else set()
    return values.dtype.kind in "US" or any(issubclass(kind, (str, bytes)) for kind in kinds)


def _is_missing(value):
    return value is None or value != value


def _listed(values):
    shown = ", ".join(repr(v) for v in values[:5])
    return shown + (f" and {len(values) - 5} more" if len(values) > 5 else "")
