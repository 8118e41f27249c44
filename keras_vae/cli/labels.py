"""Labels with holes: what they become of what the data holds, and how they are learned from."""

from typing import TYPE_CHECKING

import numpy as np

from keras_vae.cli import package
from keras_vae.cli.beside import MISSING

if TYPE_CHECKING:
    from keras_vae.cli.data import Data
    from keras_vae.cli.run_config import RunConfig
    from keras_vae.conditions import OneHot

# The objective that only the command has a name for, as it needs the classes.
M2 = "semi_supervised"
# Of the classifier beside another objective.
STRENGTH = 20.0


def check_config(config: "RunConfig") -> None:
    """Raises a ValueError if labels, condition and objective do not go together."""
    if config.objective == M2 and config.labels is None:
        raise ValueError(f"--objective {M2} goes with --labels, which names the classes.")
    if config.objective == M2 and config.condition is not None:
        raise ValueError(
            f"--objective {M2} takes no --condition, as the class is the condition: leave out "
            f"--condition {config.condition}, or take another objective."
        )
    if config.labels is not None and config.labels == config.condition:
        raise ValueError(
            f"--labels and --condition both name {config.labels!r}: a class that is given is not "
            "to be learned. Leave one of them out."
        )


def check_model(vae, labels: str | None, condition: str | None, probes: bool = False) -> None:
    """Raises a ValueError if a model does not learn from what is named, or lacks a condition.

    Args:
        vae: a model.
        labels: the name of the classes.
        condition: the name of what is given.
        probes: whether labels are of use without a classifier too.
    """
    if labels is not None and not vae.has_classifier and not probes:
        raise ValueError(
            f"The model has no classifier; leave --labels {labels} out. With --report they judge "
            "the code of any model."
        )
    if vae.goes_through_classes and condition is not None:
        raise ValueError(
            f"The model finds the class that is its condition; leave --condition {condition} out, "
            "or name it with --labels."
        )


def read_labels(name: str, values: np.ndarray) -> np.ndarray:
    """Returns labels, `(n,)`: integers, -1 where unknown, or texts, `None` where unknown.

    Raises:
        ValueError: if there is not one integer or text for each row.
    """
    if values.shape[1:] not in ((), (1,)) or values.dtype.kind not in "iufUO":
        raise ValueError(
            f"{name} must hold one class for each row, an integer or a text; received "
            f"{values.dtype} of shape {values.shape}."
        )
    values = values.ravel()
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), -1, values)
        if (values != np.floor(values)).any():
            raise ValueError(f"{name} holds fractions; classes are integers or texts.")
    if values.dtype.kind in "iuf":
        return values.astype("int64")
    cells = [None if str(v).strip().lower() in (*MISSING, "-1") else v for v in values]
    if any(isinstance(v, str) for v in cells):
        return np.array(cells, object)
    return np.array([-1 if v is None else v for v in cells], "int64")


def classes_of(name: str | None, labels: np.ndarray) -> "OneHot":
    """Returns the classes that labels, as `read_labels` gives them, are of.

    Raises:
        ValueError: if there are fewer than two.
    """
    names = sorted(set(labels.tolist()) - {None, -1})
    if len(names) < 2:
        raise ValueError(
            f"{name} has {len(names)} classes; learning takes at least 2. -1 and an empty cell "
            "are unknown."
        )
    by_number = names == list(range(len(names)))
    return package.load(None).conditions.OneHot(len(names) if by_number else names)


def known(labels: np.ndarray) -> np.ndarray:
    """Returns which labels are known, `(n,)`."""
    return np.array([label not in (None, -1) for label in labels.tolist()], bool)


def per_batch(labels: np.ndarray | None, batch_size: int) -> int | None:
    """Returns how many rows of each batch are to be labelled, `None` for as many as come.

    Where fewer than a tenth of the rows are labelled it is a quarter of the batch, but no more
    than there are.

    Args:
        labels: the labels of the rows to train on, if there are any.
        batch_size: rows per batch.
    """
    if labels is None:
        return None
    n_known = int(known(labels).sum())
    if 10 * n_known >= len(labels):
        return None
    return min(batch_size // 4, n_known) or None


def accuracy(vae, data: "Data") -> tuple[float, int] | None:
    """Returns the share of the labelled rows whose likeliest class is right, and their number.

    Returns:
        `None` if no row has a label.

    Raises:
        ValueError: if the model does not know a class.
    """
    classes = vae.objective.classes_of(vae.condition)
    labels = classes.read_labels(data.labels, len(data.x), learn=False)
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        return None
    found = vae.classify(data.rows(rows).inputs()).argmax(axis=1)
    return float(np.mean(found == labels[rows])), len(rows)


def row(found: tuple[float, int]) -> tuple[str, str, str]:
    """Returns the row of a table for what `accuracy` gives."""
    share, n = found
    return "accuracy", f"{share:.1%}", f"of the classes of {n:,} labelled rows"
