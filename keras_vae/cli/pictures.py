"""The pictures that a run leaves of a model of images."""

from pathlib import Path

import numpy as np

from keras_vae.cli import console, package
from keras_vae.cli.data import Data

# Of a model with a condition: how many categories have a row of samples, and how long it is.
MAX_ROWS, COLUMNS = 12, 10


def draw(vae, validation: Data, output: Path, seed: int) -> None:
    """Writes them, if matplotlib is installed."""
    if not package.is_installed("matplotlib"):
        return
    from keras_vae import plots

    with console.out.status("Drawing"):
        if validation.condition is not None:
            figures = given(vae, validation, validation.condition, seed)
        else:
            figures = {
                "reconstructions": plots.reconstructions(vae, validation.x),
                "samples": plots.samples(vae, seed=seed),
                "traversal": plots.traversal(vae, validation.x),
            }
        for name, figure in figures.items():
            figure.savefig(output / f"{name}.png")


def given(vae, validation: Data, condition: np.ndarray, seed: int) -> dict:
    """Returns figures of a model with a condition by name: reconstructions and samples.

    Of few categories each has a row of samples; else the conditions of the data are taken.
    """
    from keras_vae import plots
    from keras_vae.conditions import Categories

    few = validation.rows(slice(COLUMNS))
    grid, names = [few.x, vae.reconstruct(few.inputs())], ["input", "reconstruction"]
    labels: list[str] = []
    if isinstance(vae.condition, Categories) and vae.condition.n <= MAX_ROWS:
        classes = vae.condition.names or range(vae.condition.n)
        condition, labels = np.repeat(list(classes), COLUMNS), [str(name) for name in classes]
    columns = min(COLUMNS, len(condition))
    condition = condition[: min(MAX_ROWS, len(condition) // columns) * columns]
    images = vae.sample(len(condition), seed=seed, condition=condition)
    images = images.reshape(-1, columns, *images.shape[1:])
    return {
        "reconstructions": plots.image_grid(grid, row_labels=names),
        "samples": plots.image_grid(images, row_labels=labels),
    }
