"""Condition: the abstract class of what is given beside x."""

import abc
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vae.conditions.given import Given
from keras_vae.reading.forms import as_labels
from keras_vae.saving.seeded_layer import SeededLayer
from keras_vae.typing import Tensor

_HOW_TO_ALLOW = (
    "make the condition with unknown=0.1, so that the model learns what to do where it is unknown."
)


class Condition(SeededLayer, abc.ABC):
    """e(c): a layer that makes of a condition c the vector that joins features and codes.

    What a user passes is read into rows of numbers, by `read`; these travel as
    `{"x": x, "condition": rows}`, and the layer makes e(c) of them. Everything is
    float32 whatever the dtype policy. To write one, inherit, register the class with
    `keras.saving.register_keras_serializable` so that it can be saved, and define

    1. `size`, how many numbers e(c) has, and `row_shape`, the shape of one row, `()` for
       a number; both are known before the condition is built, as decoders need them;
    2. `read_rows(name, values)`: the user's values as an array of rows;
    3. `embed(rows)`: e(c), `(batch, size)`;
    4. `is_unknown(rows)`, where a row can say that c is not known, and `unknown_row`, such a row;
    5. `build(input_shape)`, where it has weights: call `super().build(input_shape)`; and
       `get_config`, where its constructor takes arguments;
    6. `examples(rng, n)`, where rows of zeros and ones are none that it knows.

    The smallest example:

        >>> @keras.saving.register_keras_serializable()
        ... class Hour(Condition):  # of the day, which has no midnight
        ...     size, row_shape = 2, ()
        ...     def read_rows(self, name, values):
        ...         return np.asarray(values, "float32")
        ...     def embed(self, rows):
        ...         angle = 2 * np.pi / 24 * rows
        ...         return ops.stack([ops.sin(angle), ops.cos(angle)], axis=-1)

    Args:
        unknown: how often training takes c for unknown, from 0 to less than 1, so that
            one model answers with and without. Unknown rows have a learned vector in
            place of e(c); with 0 it is learned from those of the data alone. `None`: all
            rows are known.
        seed: of which rows are taken for unknown.

    Attributes:
        size: how many numbers e(c) has, 0 for what goes to the likelihood alone; `None` where
            only building tells.
        row_shape: the shape of one row; `None` likewise.
        row_dtype: what rows consist of, `"float32"` or `"int32"`.
        unknown_row: what stands for a row that is not known.
        gives_exposure: whether it says by what the means of counts are multiplied.
        shares: whether these means are shares before.
    """

    size: int | Any  # None before it is built, where only building tells
    row_shape: tuple[int, ...] | Any
    row_dtype: str = "float32"
    unknown_row: float = np.nan
    gives_exposure: bool = False
    shares: bool = False

    def __init__(self, unknown: float | None = None, seed: int | None = None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        if unknown is not None and not 0.0 <= unknown < 1.0:
            raise ValueError(
                "unknown is how often training takes a condition for unknown, from 0 to less than "
                f"1, or None where all rows are known; received {unknown!r}."
            )
        self.unknown = None if unknown is None else float(unknown)

    def by_name(self) -> dict[str, "Condition"]:
        """Returns the conditions that it consists of by name: itself, as `condition`."""
        return {"condition": self}

    def build(self, input_shape) -> None:
        if self.unknown is not None:
            self.unknown_vector = self.add_weight((self.size,), "zeros", name="unknown_vector")

    @abc.abstractmethod
    def read_rows(self, name: str, values: np.ndarray) -> np.ndarray:
        """Returns a user's values as rows of numbers, `(n, *row_shape)`.

        Args:
            name: what they are called in errors.
            values: an array of numbers or objects.

        Raises:
            ValueError: if they are none that the condition knows.
        """

    def check_rows(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Returns rows of a stream as `read_rows` gives them, or raises a ValueError as it does."""
        return self.read_rows(name, rows)

    @abc.abstractmethod
    def embed(self, rows) -> Tensor:
        """Returns e(c) of rows, `(batch, size)`; of unknown ones anything."""

    def is_unknown(self, rows) -> Tensor:
        """Returns whether c is unknown, `(batch,)`."""
        return ops.any(ops.isnan(ops.reshape(rows, (ops.shape(rows)[0], -1))), axis=-1)

    def learn(self, name: str, values: np.ndarray) -> None:
        """Sees the user's values of the training data, before they are read: names of categories.

        Args:
            name: what they are called in errors.
            values: an array of numbers or objects.
        """

    def look_at(self, rows: np.ndarray) -> None:
        """Sees rows of the training data before `fit` trains on it: their scale."""

    def read(
        self, values, n: int | None = None, learn: bool = False, as_rows: bool = False
    ) -> dict[str, np.ndarray]:
        """Returns what a user passes as rows of numbers, by the names of `by_name`.

        Args:
            values: in any form of arrays; one alone stands for all n rows, and `None` for
                n rows that are not known. Of several conditions a dict of these.
            n: how many rows there must be; `None` for as many as there are.
            learn: whether these are data to train on.
            as_rows: whether the values are rows already, as of a stream.

        Raises:
            ValueError: if they are none that the condition knows, or not n.
        """
        return {
            name: part.read_part(name, value, n, learn, as_rows)
            for name, part, value in self._with_values(values)
        }

    def _with_values(self, values):
        return [("condition", self, values)]

    def read_part(
        self, name: str, values, n: int | None, learn: bool, as_rows: bool = False
    ) -> np.ndarray:
        """Returns the rows of one of `by_name`."""
        if values is None:
            values = np.asarray(self.unknown_row)
            if self.unknown is None:
                raise ValueError(f"{name} is missing: pass it, or {_HOW_TO_ALLOW}")
        array = as_labels(name, values)
        one = array.ndim == 0 or array.shape == self.row_shape
        if one:
            array = np.broadcast_to(array, (1, *(self.row_shape or ())))
        if learn and not as_rows:
            self.learn(name, array)
        rows = self.check_rows(name, array) if as_rows else self.read_rows(name, array)
        unknown = self.unknown_rows(rows)
        if self.unknown is None and unknown.any():
            raise ValueError(
                f"{name} is unknown in {unknown.sum()} of {len(rows)} rows, first in row "
                f"{unknown.argmax()}. Leave them out, or {_HOW_TO_ALLOW}"
            )
        if one and n is not None:
            return np.repeat(rows, n, axis=0)
        if n is not None and len(rows) != n:
            raise ValueError(f"{name} has {len(rows)} rows, but there are {n} of x.")
        return rows

    def unknown_rows(self, rows: np.ndarray) -> np.ndarray:
        """Returns whether c is unknown in each of the rows, `(n,)`."""
        if self.row_dtype != "float32":
            return np.zeros(len(rows), bool)
        return np.isnan(rows.reshape(len(rows), -1)).any(axis=1)

    def examples(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Returns n rows to try an exported model on, `(n, *row_shape)`, of `row_dtype`."""
        return rng.integers(2, size=(n, *self.row_shape)).astype(self.row_dtype)

    def all_values(self) -> list | None:
        """Returns all that c can be, as a user passes it; `None` where that is no list."""
        return None

    def label(self, row) -> str:
        """Returns what a row is called in plots: its numbers; nothing where there are many."""
        numbers = np.ravel(row)
        if np.isnan(numbers).any():
            return "unknown"
        return ", ".join(f"{number:.3g}" for number in numbers) if numbers.size <= 3 else ""

    def as_tree(self, rows: dict) -> Any:
        """Returns rows by the names of `by_name` as `given` takes them."""
        return rows["condition"]

    def shapes(self) -> Any:
        """Returns the shapes of the rows, with the batch, as `build` takes them."""
        if self.row_shape is None:
            raise ValueError(
                f"The shape of c is not known yet: say it, {type(self).__name__}(layer, shape), or "
                "let fit build the model."
            )
        return (None, *self.row_shape)

    def call(self, rows, training=None) -> Tensor:
        rows = ops.cast(rows, self.row_dtype)
        if len(rows.shape) != 1 + len(self.row_shape):
            rows = ops.reshape(rows, (-1, *self.row_shape))
        vector = self.embed(rows)
        if self.unknown is None:
            return vector
        unknown = self.is_unknown(rows)
        if training and self.unknown > 0.0:
            u = keras.random.uniform(ops.shape(unknown), seed=self.seed_generator)
            unknown = ops.logical_or(unknown, u < self.unknown)
        unknown_vector = ops.convert_to_tensor(self.unknown_vector)
        return ops.where(ops.expand_dims(unknown, -1), unknown_vector, vector)

    def given(self, rows, training: bool = False) -> Given:
        """Returns what rows give to the parts of a VAE."""
        return Given(vector=self(rows, training=training))

    def get_config(self) -> dict:
        return {**super().get_config(), "unknown": self.unknown}
