"""Checks of the arguments of constructors, which make plain Python numbers of NumPy's."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np


def plain(value) -> Any:
    """Returns a NumPy number, or a tuple or list of them, as Python's; all else as it is.

    NumPy's can be no part of a config, which is JSON.
    """
    if isinstance(value, (tuple, list)):
        return type(value)(map(plain, value))
    return value.item() if isinstance(value, np.generic) else value


def is_count(value) -> bool:
    """Returns whether `value` is a positive integer."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0


def check_count(name: str, value: int) -> int:
    """Returns `value` as an int, or raises a ValueError if it is no positive integer."""
    if not is_count(value):
        raise ValueError(f"{name} must be a positive integer; received {value!r}.")
    return int(value)


def check_shape(name: str, shape) -> tuple[int, ...]:
    """Returns `shape`, a number or several, as a tuple, or raises a ValueError."""
    shape = (shape,) if isinstance(shape, Integral) else tuple(shape)
    if not shape or not all(map(is_count, shape)):
        raise ValueError(f"{name} must hold positive integers; received {shape}.")
    return tuple(map(int, shape))


def check_positive(name: str, value: float) -> float:
    """Returns `value` as a float, or raises a ValueError if it is no positive number."""
    if not (isinstance(value, Real) and math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive number; received {value!r}.")
    return float(value)


def check_choice(name: str, value, choices) -> Any:
    """Returns `value`, or raises a ValueError if it is not among `choices`."""
    if value not in choices:
        known = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {known}; received {value!r}.")
    return value
