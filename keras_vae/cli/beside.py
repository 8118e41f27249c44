"""What is given beside x: loads it by its name, and makes the condition that it is for."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_vae.cli import package

if TYPE_CHECKING:
    from keras_vae.conditions import Condition

LABELS = "labels"
# How often training takes a condition for unknown, where it is of some of the rows.
UNKNOWN = 0.1
# What stands in a table where there is no value.
MISSING = ("", "nan", "na", "n/a", "null", "none", "?")


def load(source: str, name: str, option: str) -> np.ndarray:
    """Returns the array of that name in a `.npz` file, or the labels of a named data set.

    Args:
        source: the file or data set.
        name: what `option`, such as "condition", says.
        option: for the message.

    Raises:
        ValueError: if there is none of that name.
    """
    import keras

    from keras_vae.datasets.load import KERAS_DATASETS

    path = Path(source)
    if source in KERAS_DATASETS:
        if name != LABELS:
            raise ValueError(f"{source} has no {name!r}; its classes are called {LABELS!r}.")
        (_, labels), _ = getattr(keras.datasets, source).load_data()
        return labels.ravel().astype("int64")
    if path.suffix != ".npz":
        raise ValueError(
            f"--{option} names an array of a .npz file, a column of a .csv file, {LABELS!r} of a "
            f"data set or a factor of the sprites; {source} has none."
        )
    with np.load(path, allow_pickle=False) as arrays:
        if name not in arrays.files:
            raise ValueError(f"{source} has no array {name!r}; it has {', '.join(arrays.files)}.")
        values = arrays[name]
    plain = {"b": "int64", "S": "U"}.get(values.dtype.kind)
    return values.astype(plain) if plain else values


def of_sprites(factors: np.ndarray, name: str) -> np.ndarray:
    """Returns one of the factors of the sprites.

    Raises:
        ValueError: if there is none of that name.
    """
    names = package.load(None).datasets.Sprites.factor_names
    if name not in names:
        raise ValueError(f"sprites have no factor {name!r}; they have {', '.join(names)}.")
    return factors[:, names.index(name)]


def of_cells(cells: list[str]) -> np.ndarray:
    """Returns a column of a table as integers, floats or texts, `None` or NaN where missing."""
    given = [None if cell.strip().lower() in MISSING else cell.strip() for cell in cells]
    known = [cell for cell in given if cell is not None]
    if any(number(cell) is None for cell in known):
        return np.array(given, object)
    if all(cell.lstrip("+-").isdigit() for cell in known):
        return np.array([None if cell is None else int(cell) for cell in given], object)
    return np.array([np.nan if cell is None else float(cell) for cell in given], "float32")


def factors_of(columns: dict[str, np.ndarray]) -> np.ndarray | None:
    """Returns factors by name, each `(n,)` or `(n, m)`, side by side, `(n, k)`; `None` of none.

    Raises:
        ValueError: if a value is missing, or they are neither numbers nor texts.
    """
    found = []
    for name, values in columns.items():
        listed = values.ravel().tolist()
        if values.dtype.kind not in "biufUO" or values.ndim > 2:
            raise ValueError(
                f"{name} must hold numbers or texts, one for each row; received {values.dtype} of "
                f"shape {values.shape}."
            )
        if any(value is None or value != value for value in listed):
            raise ValueError(f"{name} has no value in some rows; factors are known of all rows.")
        if values.dtype.kind in "UO":
            values = np.unique(np.array(listed), return_inverse=True)[1].reshape(values.shape)
        found.append(values.reshape(len(values), -1))
    if len({len(values) for values in found}) > 1:
        raise ValueError(f"{', '.join(columns)} have {', '.join(str(len(f)) for f in found)} rows.")
    return np.concatenate(found, axis=1) if found else None


def number(cell: str) -> float | None:
    """Returns the number in a cell of a table, NaN where it is missing, `None` for a text."""
    cell = cell.strip()
    try:
        return float("nan") if cell.lower() in MISSING else float(cell)
    except ValueError:
        return None


def condition_of(name: str | None, values: np.ndarray) -> "Condition":
    """Returns the condition for values: categories for integers and texts, numbers for floats.

    Raises:
        ValueError: if they are neither, or not one category for each row.
    """
    conditions = package.load(None).conditions
    if values.dtype.kind == "f" and values.ndim <= 2:
        unknown = UNKNOWN if np.isnan(values).any() else None
        return conditions.Continuous(1 if values.ndim == 1 else values.shape[1], unknown=unknown)
    if values.dtype.kind not in "iuUO":
        raise ValueError(
            f"{name} must hold integers, texts or one or some floats for each row; received "
            f"{values.dtype} of shape {values.shape}."
        )
    listed = values.ravel().tolist()
    names = sorted(set(listed) - {None})
    numbers = [name for name in names if name != -1]
    by_number = numbers == list(range(len(numbers)))  # and -1 says that it is unknown
    unknown = UNKNOWN if None in listed or (by_number and -1 in names) else None
    condition = conditions.OneHot(len(numbers) if by_number else names, unknown=unknown)
    condition.read(values)
    return condition


def check(vae, name: str | None) -> None:
    """Raises a ValueError if a model has a condition that is not named, or none that is."""
    guesses = vae.goes_through_classes
    if vae.condition is not None and name is None and not guesses:
        raise ValueError(
            "The model has a condition: give its name in the data, --condition NAME, as for train."
        )
    if vae.condition is None and name is not None:
        raise ValueError(f"The model has no condition; leave --condition {name} out.")
