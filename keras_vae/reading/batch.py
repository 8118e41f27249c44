"""Batch: rows of all that a model gets, and how they travel through Keras, by names."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

_INPUTS = ("x", "condition", "labels")


class Batch(NamedTuple):
    """Rows as NumPy arrays, `None` for what there is not.

    Attributes:
        x: the data.
        y: the target, where it is not x.
        sample_weight: one weight per row.
        beside: what is given beside x, by name: a `condition`, or several by names of
            their own, and `labels`.
    """

    x: Any
    y: Any = None
    sample_weight: Any = None
    beside: Mapping = MappingProxyType({})

    def by_name(self) -> dict:
        """Returns all that there is by name, x first and the weights last."""
        named = {"x": self.x, **self.beside, "y": self.y, "sample_weight": self.sample_weight}
        return {name: rows for name, rows in named.items() if rows is not None}


def packed(names: Iterable[str], arrays: Iterable, main: str = "x") -> tuple:
    """Returns arrays as Keras takes a batch: `(inputs,)`, `(inputs, y)` or with the weights.

    Args:
        names: the names of the arrays.
        arrays: the arrays or tensors.
        main: the name of the input that all have: alone it is the inputs, else they are a
            dict of it, `condition`, an array or a dict of arrays by name, and `labels`.
    """
    named = dict(zip(names, arrays, strict=True))
    behind = [named.pop(name) for name in ("y", "sample_weight") if name in named]
    return with_beside(named.pop(main), named, main), *behind


def with_beside(x, beside: Mapping, main: str = "x") -> Any:
    """Returns x alone, or where there is something beside it a dict of all, see `packed`."""
    if not beside:
        return x
    inputs, beside = {main: x}, dict(beside)
    if "labels" in beside:
        inputs["labels"] = beside.pop("labels")
    if beside:
        inputs["condition"] = beside.get("condition", beside)
    return inputs


def opened(name: str, inputs, **beside) -> tuple[Any, dict]:
    """Returns x and what is given beside it, of a user's x or dict of all.

    Args:
        name: what x is called in errors.
        inputs: x, or a dict of `x`, and `condition` or `labels`.
        **beside: the same as arguments, `None` for what is not given.

    Returns:
        x, and the others by name, without those that are `None`.

    Raises:
        ValueError: if the dict has other keys, or something is given twice.
    """
    beside = {key: value for key, value in beside.items() if value is not None}
    if not isinstance(inputs, Mapping):
        return inputs, beside
    if "x" not in inputs or set(inputs) - set(_INPUTS):
        shapes = ", ".join(f"{k!r} {np.shape(v)}" for k, v in list(inputs.items())[:3])
        raise ValueError(
            f"{name} is a dict of {shapes}, but must be one array, or a dict of 'x' and what is "
            "given beside it, 'condition' or 'labels'. Arrays that belong together are joined, "
            "np.concatenate([a, b], axis=-1), and parted again in the encoder's network; one of "
            'several columns of a stream is chosen: dataset.map(lambda batch: batch["..."]).'
        )
    twice = [key for key in beside if key in inputs]
    if twice:
        raise ValueError(f"{twice[0]} is given twice: in the dict, and as an argument.")
    rest = {key: value for key, value in inputs.items() if key != "x" and value is not None}
    return inputs["x"], beside | rest


def flat(beside: Mapping) -> dict:
    """Returns what is given beside x by names of its own: those of several conditions, `labels`."""
    condition = beside.get("condition")
    if not isinstance(condition, Mapping):
        return dict(beside)
    rest = {key: value for key, value in beside.items() if key != "condition"}
    return {**condition, **rest}
