"""Checks of the arguments of constructors."""

import math

import numpy as np


def check_count(name: str, value: int) -> int:
    """Returns `value` as an int, or raises a ValueError if it is no positive integer."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a positive integer; received {value!r}.")
    return int(value)


def check_positive(name: str, value: float) -> float:
    """Returns `value` as a float, or raises a ValueError if it is no positive number."""
    if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive number; received {value!r}.")
    return float(value)


def check_choice(name: str, value, choices):
    """Returns `value`, or raises a ValueError if it is not among `choices`."""
    if value not in choices:
        known = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {known}; received {value!r}.")
    return value
