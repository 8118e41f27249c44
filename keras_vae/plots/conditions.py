"""What plots need of a VAE's condition: rows of it, and what these are called."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_vae.reading.inference_data import InferenceData
from keras_vae.training.beside import Rows

if TYPE_CHECKING:
    from keras_vae.model.vae import VAE

MOST_CONDITIONS = 12  # more rows of images would be too small to see
LONGEST_ABOVE, LONGEST_BESIDE = 10, 20  # characters of labels that an image grid has room for


def first_rows(vae: "VAE", x, n: int, condition=None) -> tuple[np.ndarray, Rows | None]:
    """Returns the first n rows of x, and what is given beside them, `None` if nothing is.

    Of a VAE that guesses its condition that is the likeliest class of each row.

    Args:
        vae: a built VAE.
        x: data in any form, also a dict of `x` and `condition`.
        n: how many; all where there are fewer.
        condition: what is given beside x, one for all rows or one for each.
    """
    vae.check_built("draw")
    read = vae.beside(inference=True).read
    data = InferenceData("The plot", x, vae.input_features, condition=condition, read=read)
    rows = next(data.batches(n))
    x = rows.pop("x")
    if not rows and vae.condition is not None:
        (name,) = vae.condition.by_name()
        rows[name] = vae.classify(x).argmax(axis=1).astype("int32")
    return x, Rows(rows) if rows else None


def conditions_of(vae: "VAE", condition=None) -> Rows | None:
    """Returns the rows of conditions to draw, by default all that there can be, up to 12.

    Args:
        vae: a built VAE.
        condition: one or several.

    Returns:
        The rows; `None` for a VAE without a condition, or that guesses it.
    """
    if vae.condition is None and condition is None:
        return None
    if vae.condition is not None and condition is None:
        values = vae.condition.all_values()
        condition = None if values is None else values[:MOST_CONDITIONS]
    read = vae.beside(inference=True).read
    found = read({"condition": condition}, None)
    if not found:
        return None
    n = count(found)
    return Rows(read({"condition": condition}, n))


def count(rows: Mapping | None) -> int:
    """Returns how many rows of a condition there are."""
    return max(map(len, rows.values())) if rows else 0


def repeated(rows: Rows | None, i: int | slice, n: int) -> Rows | None:
    """Returns one row, or some rows, of a condition, each n times in turn."""
    if rows is None:
        return None
    place = slice(i, i + 1) if isinstance(i, int) else i
    return Rows({name: np.repeat(array[place], n, axis=0) for name, array in rows.items()})


def labels(vae: "VAE", rows: Rows | None, longest: int) -> Sequence[str]:
    """Returns what the rows of a condition are called, cut to a length; nothing without any."""
    if rows is None or vae.condition is None:
        return ()
    parts = vae.condition.by_name()
    found = []
    for i in range(count(rows)):
        names = [part.label(rows[name][i]) for name, part in parts.items()]
        label = ", ".join(filter(None, names))
        found.append(label if len(label) <= longest else f"{label[: longest - 1]}…")
    return found if any(found) else ()
