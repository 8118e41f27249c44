"""Plots made of images: what the decoder draws."""

import random
from typing import TYPE_CHECKING

import numpy as np

from keras_vae.plots.conditions import (
    LONGEST_ABOVE,
    LONGEST_BESIDE,
    conditions_of,
    count,
    first_rows,
    labels,
    repeated,
)
from keras_vae.plots.grid import image_grid
from keras_vae.training.beside import Rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from keras_vae.model.vae import VAE


def reconstructions(
    vae: "VAE", x, n: int = 10, ax: "Axes | None" = None, condition=None
) -> "Figure":
    """Draws images above their reconstructions.

    Args:
        vae: a trained VAE of images.
        x: images of shape `(n or more, height, width[, channels])`, in [0, 1].
        n: how many to draw.
        ax: matplotlib axes to draw on; a figure of its own by default.
        condition: what is given beside x, one for all or one for each; written above the
            images.

    Returns:
        The figure.
    """
    x, given = first_rows(vae, x, n, condition)
    return image_grid(
        [x, vae.reconstruct(x, condition=given)],
        row_labels=["input", "reconstruction"],
        column_labels=labels(vae, given, LONGEST_ABOVE),
        ax=ax,
    )


def samples(
    vae: "VAE",
    rows: int | None = None,
    columns: int = 10,
    seed: int | None = None,
    ax: "Axes | None" = None,
    condition=None,
) -> "Figure":
    """Draws images made from draws of the prior, in rows and columns.

    With a condition each row has one of its own, and each column one draw of the noise:
    where the prior does not depend on the condition, a column has one code.

    Args:
        vae: a trained VAE of images.
        rows: 6 by default; with several conditions as many as these.
        columns: images in a row.
        seed: makes draws repeatable.
        ax: matplotlib axes to draw on; a figure of its own by default.
        condition: one for all rows, or several, a row each; by default all classes of a
            condition that has classes, up to 12.

    Returns:
        The figure.

    Raises:
        ValueError: if the VAE has a condition of no classes that must be known, and none is
            given; or if it has none.
    """
    given = conditions_of(vae, condition)
    if given is None or count(given) == 1:
        n = 6 if rows is None else rows
        images = vae.sample(n * columns, seed=seed, condition=repeated(given, 0, n * columns))
        images = images.reshape(n, columns, *images.shape[1:])
        return image_grid(images, row_labels=[*labels(vae, given, LONGEST_BESIDE)] * n, ax=ax)
    seed = random.randrange(2**31) if seed is None else seed
    given = repeated(given, slice(0, rows), 1)
    each = [
        vae.sample(columns, seed=seed, condition=repeated(given, i, columns))
        for i in range(count(given))
    ]
    return image_grid(each, row_labels=labels(vae, given, LONGEST_BESIDE), ax=ax)


def transfer(
    vae: "VAE", x, condition=None, to=None, n: int = 6, ax: "Axes | None" = None
) -> "Figure":
    """Draws analogies: the code of each image, decoded with each of several conditions.

    What the code has, such as a style of writing, stays in a row; what the condition says
    stays in a column. The images stand to the left, apart.

    Args:
        vae: a trained VAE of images, with a condition.
        x: images of shape `(n or more, height, width[, channels])`, in [0, 1].
        condition: that of x, one for all or one for each.
        to: the conditions to decode with; by default all classes of a condition that has
            classes, up to 12.
        n: how many images to draw, a row each.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.

    Raises:
        ValueError: if the VAE has no condition, or one that is to be given.

    Reference:
        Kingma et al., "Semi-supervised learning with deep generative models", 2014, figure 1.
    """
    if vae.condition is None:
        raise ValueError("The model takes no condition, so that there is nothing to transfer to.")
    x, given = first_rows(vae, x, n, condition)
    z, to = vae.encode(x, condition=given), conditions_of(vae, to)
    decoded = [vae.decode(z, condition=repeated(to, i, len(x))) for i in range(count(to))]
    empty = np.ones_like(x)  # parts the images from what is made of them
    return image_grid(
        np.stack([x, empty, *decoded], axis=1),
        row_labels=labels(vae, given, LONGEST_BESIDE),
        column_labels=["input", "", *labels(vae, to, LONGEST_ABOVE)],
        ax=ax,
    )


def interpolations(
    vae: "VAE",
    start,
    end,
    n_steps: int = 9,
    spherical: bool = False,
    ax: "Axes | None" = None,
    condition=None,
) -> "Figure":
    """Draws the ways from codes of images to codes of others, one row each.

    Args:
        vae: a trained VAE of images.
        start: images of shape `(n, height, width[, channels])`.
        end: as many images.
        n_steps: images in a row, both ends included.
        spherical: go along arcs, on which the norm of a code stays that of the
            prior's draws, instead of straight lines, see `VAE.interpolate`.
        ax: matplotlib axes to draw on; a figure of its own by default.
        condition: what is given on the ways, at both ends too, one for all or one for each row.

    Returns:
        The figure.

    Reference:
        White, "Sampling generative networks", 2016, section 2.1, for the arcs.
    """
    images = vae.interpolate(start, end, n_steps, spherical=spherical, condition=condition)
    given = None
    if condition is not None:
        given = Rows(vae.beside(inference=True).read({"condition": condition}, len(images)))
    return image_grid(images, row_labels=labels(vae, given, LONGEST_BESIDE), ax=ax)
