"""Loads the data that the command is given: a named data set, a file or a folder of images."""

import csv
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from keras_vae.cli import package

N_SPRITES = 17_000
SUFFIXES = (".npy", ".npz", ".csv")
# What stands in a table where there is no value.
MISSING = ("", "nan", "na", "n/a", "null", "none", "?")


def load(
    source: str, array: str | None = None, seed: int = 0, n_sprites: int = N_SPRITES
) -> np.ndarray:
    """Returns the data as float32, `(n, *features)`, images scaled to [0, 1].

    Args:
        source: "sprites", a name that `keras_vae.datasets.load` knows, a `.npy`, `.npz` or `.csv`
            file, or a folder of images.
        array: the name of the array in a `.npz` file.
        seed: of the sprites.
        n_sprites: how many of them.

    Raises:
        ValueError: if it holds no such data.
        OSError: if it cannot be read.
    """
    kv = package.load(None)
    if source == "sprites":
        return kv.datasets.Sprites().sample(n_sprites, seed=seed)[0]
    path = Path(source)
    if path.is_file() and path.suffix not in SUFFIXES:
        raise ValueError(f"{source} is no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file.")
    if array is not None and path.suffix != ".npz":
        raise ValueError(f"--array names an array of a .npz file; {source} is none.")
    try:
        if path.is_file() and path.suffix == ".csv":
            x = load_csv(path)
        else:
            x = kv.datasets.load(source, key=array)
    except FileNotFoundError:
        from keras_vae.datasets.load import KERAS_DATASETS

        names = ("sprites", *KERAS_DATASETS)
        raise FileNotFoundError(
            f"no file or folder {source!r}. Give a {', '.join(SUFFIXES)} file, a folder of images, "
            f"or one of {', '.join(names)}."
        ) from None
    except (ValueError, BadZipFile, EOFError) as error:
        message = str(error)
        raise ValueError(message if source in message else f"{source}: {message}") from None
    if x.ndim < 2 or not len(x):
        raise ValueError(f"{source} has the shape {x.shape}; expected rows, (n, *features).")
    return x


def load_csv(path: Path) -> np.ndarray:
    """Returns a table of numbers, `(rows, columns)`, NaN where a value is missing.

    A first line that holds a text is taken for the names of the columns.

    Raises:
        ValueError: if it is empty, a line is longer than others, or a column holds texts.
    """
    text = path.read_text(encoding="utf-8-sig")
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    lines = [line for line in csv.reader(text.splitlines(), delimiter=delimiter) if line]
    names = [f"column {i + 1}" for i in range(len(lines[0]))] if lines else []
    first = 1
    if lines and any(_number(cell) is None for cell in lines[0]):
        names, first = lines.pop(0), 2
    if not lines:
        raise ValueError(f"{path} holds no rows.")
    x = np.empty((len(lines), len(names)), "float32")
    for i, line in enumerate(lines):
        if len(line) != len(names):
            raise ValueError(f"{path}, row {i + first} has {len(line)} cells, not {len(names)}.")
        numbers = [_number(cell) for cell in line]
        if None in numbers:
            at = numbers.index(None)
            raise ValueError(
                f"{path}, row {i + first}: {names[at]!r} is {line[at]!r}, which is no number. "
                "Leave that column out, or give its values numbers."
            )
        x[i] = numbers
    return x


def _number(cell):
    cell = cell.strip()
    try:
        return float("nan") if cell.lower() in MISSING else float(cell)
    except ValueError:
        return None


def split(x: np.ndarray, source: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows to train on and up to 1,000 others to validate on, in another order."""
    if len(x) < 2:
        raise ValueError(f"{source} holds {len(x)} sample; training needs at least 2.")
    if source != "sprites":  # which are drawn in no order
        x = np.random.default_rng(seed).permutation(x)
    n_validation = min(1_000, max(1, len(x) // 10))
    return x[n_validation:], x[:n_validation]
