"""Loads the data that the command is given: a named data set, a file or a folder of images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np

from keras_vae.cli import beside, package, table
from keras_vae.cli.labels import read_labels

N_SPRITES = 17_000
SUFFIXES = (".npy", ".npz", ".csv")


class Data(NamedTuple):
    """Rows to train or to evaluate on.

    Attributes:
        x: float32, `(n, *features)`, images scaled to [0, 1].
        condition: what is given beside x, `(n, ...)`, or `None`.
        labels: the classes to learn, `(n,)`, -1 or `None` where unknown; or `None`.
        factors: what is known to vary, `(n, k)`, to judge codes by; or `None`.
    """

    x: np.ndarray
    condition: np.ndarray | None = None
    labels: np.ndarray | None = None
    factors: np.ndarray | None = None

    def rows(self, chosen) -> "Data":
        """Returns some of the rows, by a slice or their numbers."""
        return Data(**{name: array[chosen] for name, array in self._present().items()})

    def inputs(self) -> Any:
        """Returns x, or a dict of it and what is beside it, as a model takes it."""
        found = self._replace(factors=None)._present()
        return found if len(found) > 1 else self.x

    def _present(self):
        return {name: array for name, array in self._asdict().items() if array is not None}


def load(
    source: str,
    array: str | None = None,
    condition: str | None = None,
    seed: int = 0,
    n_sprites: int = N_SPRITES,
    labels: str | None = None,
    factors: Sequence[str] = (),
) -> Data:
    """Returns the data, and what is given beside it where that is named.

    Args:
        source: "sprites", a name that `keras_vae.datasets.load` knows, a `.npy`, `.npz` or `.csv`
            file, or a folder of images.
        array: the name of the array in a `.npz` file.
        condition: the name of what is given beside x: of an array in a `.npz` file, of a
            column of a `.csv` file, of a factor of the sprites, or "labels".
        seed: of the sprites.
        n_sprites: how many of them.
        labels: the name of the classes to learn, likewise.
        factors: the names of what is known to vary, likewise.

    Raises:
        ValueError: if it holds no such data.
        OSError: if it cannot be read.
    """
    kv = package.load(None)
    names = {"condition": condition, "labels": labels}
    named = {option: name for option, name in names.items() if name is not None}
    if source == "sprites":
        x, values = kv.datasets.Sprites().sample(n_sprites, seed=seed)
        columns = {name: beside.of_sprites(values, name) for name in (*named.values(), *factors)}
        return _with_columns(x, named, factors, columns)
    path = Path(source)
    if path.is_file() and path.suffix not in SUFFIXES:
        raise ValueError(f"{source} is no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file.")
    if array is not None and path.suffix != ".npz":
        raise ValueError(f"--array names an array of a .npz file; {source} is none.")
    try:
        if path.is_file() and path.suffix == ".csv":
            found = load_csv(path, condition, labels, factors)
        else:
            x = kv.datasets.load(source, key=array)
            options = {**dict.fromkeys(factors, "factors"), **{n: key for key, n in named.items()}}
            columns = {name: beside.load(source, name, key) for name, key in options.items()}
            found = _with_columns(x, named, factors, columns)
    except FileNotFoundError:
        from keras_vae.datasets.load import KERAS_DATASETS

        known = ("sprites", *KERAS_DATASETS)
        raise FileNotFoundError(
            f"no file or folder {source!r}. Give a {', '.join(SUFFIXES)} file, a folder of images, "
            f"or one of {', '.join(known)}."
        ) from None
    except (ValueError, BadZipFile, EOFError) as error:
        message = str(error)
        raise ValueError(message if source in message else f"{source}: {message}") from None
    x = found.x
    if x.ndim < 2 or not len(x):
        raise ValueError(f"{source} has the shape {x.shape}; expected rows, (n, *features).")
    sizes = {name: len(getattr(found, key)) for key, name in named.items()}
    if found.factors is not None:
        sizes[", ".join(factors)] = len(found.factors)
    for name, n in sizes.items():
        if n != len(x):
            raise ValueError(f"{source} has {len(x)} rows, but {name} {n}.")
    if labels is not None and found.labels is not None:
        found = found._replace(labels=read_labels(labels, found.labels))
    return found


def load_csv(
    path: Path,
    condition: str | None = None,
    labels: str | None = None,
    factors: Sequence[str] = (),
) -> Data:
    """Returns a table of numbers, `(rows, columns)`, NaN where a value is missing.

    A first line that holds a text is taken for the names of the columns.

    Args:
        path: the file.
        condition: the name of a column that is the condition, and no part of the table.
        labels: the name of a column of classes, likewise.
        factors: the names of columns of what is known to vary, likewise.

    Raises:
        ValueError: if it is empty, a line is longer than others, a column holds texts, or
            none has the name of the condition or the labels.
    """
    found = table.read(path)
    names, lines, first = list(found.names), found.lines, 1 if found.header is None else 2
    named = {key: n for key, n in (("condition", condition), ("labels", labels)) if n is not None}
    columns = {}
    for name in dict.fromkeys([*named.values(), *factors]):
        if name not in names:
            raise ValueError(f"{path} has no column {name!r}; it has {', '.join(names)}.")
        columns[name] = _taken_out(lines, names, name)
    x = np.empty((len(lines), len(names)), "float32")
    for i, line in enumerate(lines):
        numbers = [beside.number(cell) for cell in line]
        if None in numbers:
            at = numbers.index(None)
            raise ValueError(
                f"{path}, row {i + first}: {names[at]!r} is {line[at]!r}, which is no number. "
                "Leave that column out, or give its values numbers."
            )
        x[i] = numbers
    return _with_columns(x, named, factors, columns)


def _with_columns(x, named, factors, columns):
    """Returns x with what is named beside it, of columns by name."""
    beside_x = {key: columns[name] for key, name in named.items()}
    return Data(x, **beside_x, factors=beside.factors_of({name: columns[name] for name in factors}))


def _taken_out(lines, names, name):
    """Removes a column and returns it."""
    column = names.index(name)
    names.pop(column)
    return beside.of_cells([line.pop(column) for line in lines])


def split(data: Data, source: str, seed: int) -> tuple[Data, Data]:
    """Returns the rows to train on and up to 1,000 others to validate on, in another order."""
    n = len(data.x)
    if n < 2:
        raise ValueError(f"{source} holds {n} sample; training needs at least 2.")
    if source != "sprites":  # which are drawn in no order
        data = data.rows(np.random.default_rng(seed).permutation(n))
    n_validation = min(1_000, max(1, n // 10))
    return data.rows(slice(n_validation, None)), data.rows(slice(n_validation))
