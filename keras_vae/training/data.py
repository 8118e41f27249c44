"""TrainingData: what a model is trained or evaluated on, read and looked at once."""

import itertools
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_vae.reading import streams
from keras_vae.reading.batch import Batch, opened, packed
from keras_vae.reading.forms import as_data, has_rows, in_memory
from keras_vae.reading.lazy_rows import LazyRows, SparseRows
from keras_vae.reading.mapped_rows import MappedRows
from keras_vae.training.beside import Beside
from keras_vae.validation.arrays import (
    check_array,
    check_sample_weight,
    check_target_shape,
    check_values,
    check_whole_numbers,
)

# Of data that is read by batches.
_FIRST_ROWS = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingData:
    """What a model is trained or evaluated on.

    Attributes:
        name: what x is called in errors.
        x: an array, `LazyRows`, or a stream, which brings all that there is.
        y: the target's rows, `None` where they are those of x.
        sample_weight: one weight per row, or `None`.
        beside: rows of what is given beside x, by name: conditions and labels.
        first: what is looked at before training: arrays whole, of what is read by batches the
            first rows, of a stream the first batch.
    """

    name: str
    x: Any
    y: Any = None
    sample_weight: np.ndarray | None = None
    beside: Mapping = field(default_factory=dict)
    first: Batch

    @classmethod
    def from_user(
        cls,
        name: str,
        x,
        y=None,
        sample_weight=None,
        condition=None,
        labels=None,
        reader: Beside | None = None,
        learn: bool = False,
    ) -> "TrainingData":
        """Reads what a user passes.

        Args:
            name: what x is called in errors.
            x: data in any form that `keras_vae.reading.forms` reads, a stream of
                `x`, `(x, y)` or `(x, y, sample_weight)`, or a dict of `x`, and
                `condition` or `labels`; a stream's x may be such a dict.
            y: the target, or `None` where it is x.
            sample_weight: one weight per sample, or `None`.
            condition: what is given beside x, or `None`.
            labels: what is known of the classes, or `None`.
            reader: what reads the two.
            learn: whether these are data to train on.

        Raises:
            TypeError: if x is in none of the forms.
            ValueError: if the parts are not of one number of rows, or a stream gets more parts.
        """
        reader = reader or Beside()
        y_is_x = y is x
        x, beside = opened(name, x, condition=condition, labels=labels)
        x, weights = as_data(name, x), as_data("sample_weight", sample_weight)
        weights = weights[:] if isinstance(weights, MappedRows) else weights
        y = x if y_is_x else as_data(f"the target of {name}", y)
        if has_rows(x):
            _check_rows(name, x, y, weights)
            rows = reader.read(beside, len(x), learn) if x.shape else {}
            first_x = _first_rows(x)
            first_y = first_x if y is x else _first_rows(y)
            # Keras drops the weights of data that has no target.
            y = x if y is None and weights is not None else y
            first = Batch(first_x, first_y, weights, rows)
            return cls(name=name, x=x, y=y, sample_weight=weights, beside=rows, first=first)
        for given, what in (
            (y, "y"),
            (weights, "sample_weight"),
            *((v, k) for k, v in beside.items()),
        ):
            if given is not None:
                raise ValueError(
                    f"{name} is a stream, which brings its own {what}: let its batches be (x, y) "
                    "or (x, y, sample_weight), whose x may be a dict of 'x', 'condition' and "
                    f"'labels', and pass no {what}."
                )
        batch, stream = streams.first_batch(name, x)
        reader.check(batch.beside, len(batch.x), learn)
        return cls(name=name, x=stream, first=batch)

    def by_name(self) -> dict:
        """Returns all that there is by name: x, what is beside it, y and the sample weights."""
        return Batch(self.x, self.y, self.sample_weight, self.beside).by_name()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of `arrays`."""
        return tuple(self.by_name())

    @property
    def arrays(self) -> tuple:
        """The rows of all that there is, in the order of `names`."""
        return tuple(self.by_name().values())

    @property
    def has_rows(self) -> bool:
        """Whether rows can be looked up, as of all but streams."""
        return has_rows(self.x)

    @property
    def is_lazy(self) -> bool:
        """Whether rows are made dense when they are asked for."""
        return any(isinstance(array, LazyRows) for array in self.arrays)

    @property
    def in_memory(self) -> bool:
        """Whether all of it is arrays in memory."""
        return all(map(in_memory, self.arrays))

    @property
    def target(self) -> np.ndarray:
        """The first rows of the target."""
        return self.first.x if self.first.y is None else self.first.y

    def has_own_target(self) -> bool:
        """Returns whether the target is another than x."""
        x, y = self.first.x, self.target
        return not (y is x or (x.shape == y.shape and np.array_equal(x, y, equal_nan=True)))

    def check_inputs(self, features: tuple | None, allow_nan: bool, compute_dtype: str) -> None:
        """Raises a ValueError if x does not suit a model.

        Args:
            features: the shape of one sample, `None` for a model that is not built.
            allow_nan: whether NaN stands for what was not observed.
            compute_dtype: what floats are cast to.
        """
        check_array(self.name, self.first.x, features, allow_nan, compute_dtype)
        for values in self._all_values("f"):
            check_values(self.name, values, allow_nan, compute_dtype)

    def check_whole_numbers(self, cast_to: str | None) -> None:
        """Raises a ValueError if whole numbers of x overflow in what a built model casts them to.

        Args:
            cast_to: that dtype, `None` where it is not known.
        """
        later = self._all_values("iu") if cast_to == "float16" else ()
        for values in itertools.chain([self.first.x], later):
            check_whole_numbers(self.name, values, cast_to)

    def _all_values(self, kinds):
        """Yields those of what is read by batches but can be looked through before, by kind."""
        for array in (self.x, *(() if self.y is self.x else (self.y,))):
            if not isinstance(array, LazyRows) or array.dtype.kind not in kinds:
                continue
            if isinstance(array, SparseRows):
                yield array.values
            elif isinstance(array, MappedRows):
                yield from array.blocks()

    def check_target(self, features: tuple, likelihood, allow_nan: bool) -> None:
        """Raises a ValueError if the target or the weights do not suit a built model.

        Args:
            features: the shape of one sample of the target.
            likelihood: the model's likelihood.
            allow_nan: whether NaN stands for what was not observed.
        """
        check_target_shape(self.target.shape[1:], features)
        if self.target is not self.first.x:
            check_array(f"the target of {self.name}", self.target, allow_nan=allow_nan)
        likelihood.check_target(self.target)
        if self.first.sample_weight is not None:
            check_sample_weight(self.first.sample_weight, len(self.first.x))

    def n_training_rows(self, validation_split: float) -> int:
        """Returns how many of the first rows are not for validation."""
        return math.floor(len(self.x) * (1.0 - validation_split))

    def n_rows_that_count(self, validation_split: float) -> int:
        """Returns how many rows for training have a weight that is not zero."""
        n = self.n_training_rows(validation_split)
        weights = self.sample_weight
        return n if weights is None else int(np.count_nonzero(weights[:n]))

    def first_row(self) -> tuple:
        """Returns the first row as Keras takes it, see `part`."""
        named = self.first.by_name()
        return packed(named, (array[:1] for array in named.values()))

    def part(self, start: int | None = None, stop: int | None = None) -> tuple:
        """Returns rows as Keras takes them: `(x,)`, `(x, y)` or `(x, y, sample_weight)`."""
        return packed(self.names, (array[start:stop] for array in self.arrays))


def validation_data(data, reader: Beside) -> TrainingData:
    """Reads `validation_data` in any form that Keras takes."""
    parts = tuple(data) if isinstance(data, list) else data
    parts = (parts,) if isinstance(parts, Mapping) else parts
    x, y, weights = keras.utils.unpack_x_y_sample_weight(parts)
    return TrainingData.from_user("the validation x", x, y, weights, reader=reader)


def warn_of_target() -> None:
    """Warns where x stands in for the target, but `fit` had a target of its own."""
    warnings.warn(
        "x is taken for the target, but the model was trained on a target of its own: pass it "
        "as y.",
        stacklevel=3,
    )


def _first_rows(data):
    return data[:_FIRST_ROWS] if isinstance(data, LazyRows) else data


def _check_rows(name, x, y, weights):
    if not (y is None or has_rows(y)):
        raise ValueError(f"The target of {name} must be an array of its rows, not a stream.")
    if not (weights is None or isinstance(weights, np.ndarray)):
        raise ValueError("sample_weight must be an array.")
    # What is empty is named as such.
    if y is not None and x.shape and y.shape and len(x) != len(y) > 0:
        raise ValueError(f"{name} has {len(x)} samples, but its target has {len(y)}.")
