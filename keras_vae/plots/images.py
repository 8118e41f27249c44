"""Plots made of images: what the decoder draws."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_vae import evaluation
from keras_vae.plots.curves import figure_of
from keras_vae.reading.inference_data import first_rows
from keras_vae.validation.arguments import check_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from keras_vae.model.vae import VAE


def reconstructions(vae: "VAE", x, n: int = 10, ax: "Axes | None" = None) -> "Figure":
    """Draws images above their reconstructions.

    Args:
        vae: a trained VAE of images.
        x: images of shape `(n or more, height, width[, channels])`, in [0, 1].
        n: how many to draw.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.
    """
    x = first_rows("x", x, n)
    return image_grid([x, vae.reconstruct(x)], row_labels=["input", "reconstruction"], ax=ax)


def samples(
    vae: "VAE",
    rows: int = 6,
    columns: int = 10,
    seed: int | None = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """Draws `rows` × `columns` images made from draws of the prior.

    Returns:
        The figure.
    """
    images = vae.sample(rows * columns, seed=seed)
    return image_grid(images.reshape(rows, columns, *images.shape[1:]), ax=ax)


def interpolations(
    vae: "VAE", start, end, n_steps: int = 9, spherical: bool = False, ax: "Axes | None" = None
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

    Returns:
        The figure.

    Reference:
        White, "Sampling generative networks", 2016, section 2.1, for the arcs.
    """
    return image_grid(vae.interpolate(start, end, n_steps, spherical=spherical), ax=ax)


def manifold(
    vae: "VAE",
    n: int = 15,
    limit: float = 2.5,
    dimensions: Sequence[int] | None = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """Draws the decoded images of a grid over two latent dimensions, the others being 0.

    With one dimension it is a row. On the sphere the grid is a map of it, in
    stereographic projection: its middle is the axis of the first dimension
    that is not in `dimensions`, and the circle of radius 1 around it the equator.
    On the circle, of two dimensions, it is a row that goes once around.

    Args:
        vae: a trained VAE of images.
        n: images in a row and in a column.
        limit: both dimensions go from `-limit` to `limit`.
        dimensions: the one that varies to the right, and the one that varies
            upwards; or only the first. The first two by default.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.

    Raises:
        ValueError: if `dimensions` are not one or two different latent dimensions.
    """
    vae.check_built("draw the manifold")
    check_count("n", n)
    if dimensions is None:
        dimensions = range(min(2, vae.latent_dim))
    dimensions = _checked_dimensions(dimensions, vae.latent_dim)
    sphere = vae.on_sphere()
    values = np.linspace(-limit, limit, n)
    is_row = len(dimensions) == 1
    if sphere and vae.latent_dim == 2:
        is_row, values = True, np.linspace(-180.0, 180.0, n)
        angles = np.deg2rad(values)
        codes = np.stack([np.cos(angles), np.sin(angles)], axis=-1)[None]
    else:
        codes = np.zeros((1 if is_row else n, n, vae.latent_dim))
        codes[..., dimensions[0]] = values
        if not is_row:
            codes[..., dimensions[1]] = values[::-1, None]
    if sphere and vae.latent_dim > 2:
        middle = next(d for d in range(vae.latent_dim) if d not in dimensions)
        square = np.square(codes).sum(axis=-1)
        codes *= 2.0
        codes[..., middle] = 1.0 - square
        codes /= 1.0 + square[..., None]
    images = vae.decode(codes.reshape(-1, *vae.latent_shape).astype("float32"))
    return image_grid(
        images.reshape(*codes.shape[:2], *images.shape[1:]),
        row_labels=() if is_row else [_signed(value) for value in values[::-1]],
        column_labels=[_signed(value) for value in values],
        ax=ax,
    )


def _checked_dimensions(dimensions, latent_dim):
    found = np.asarray(dimensions)
    is_right = (
        found.ndim == 1
        and found.dtype.kind in "iu"
        and len(found) in (1, 2)
        and len(set(found.tolist())) == len(found)
        and found.min() >= 0
        and found.max() < latent_dim
    )
    if not is_right:
        raise ValueError(
            f"dimensions must be one or two different latent dimensions, from 0 to "
            f"{latent_dim - 1}; received {dimensions!r}."
        )
    return found.tolist()


def traversal(
    vae: "VAE",
    x,
    index: int = 0,
    limit: float = 2.5,
    columns: int = 11,
    rows: int | None = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """Draws what each latent dimension does: one row per dimension, all others held.

    Rows are ordered by the mean KL of their dimension over `x`, in nats, the most
    informative first; a dimension of about 0 nats changes nothing. Where the KL
    has no closed form per dimension, they are ordered by the variance of the code.

    On the sphere the others are held in their proportions, and shrink or grow
    so that the code stays a unit vector. The labels are the varied coordinate.

    Args:
        vae: a trained VAE of images.
        x: images; those that the KL is averaged over.
        index: the image in `x` whose code is varied.
        limit: the varied dimension goes from `-limit` to `limit`, in standard
            deviations of the prior: on the sphere 1 / √latent_dim, up to 1.
        columns: number of values in between, both ends included.
        rows: how many dimensions to draw; all by default.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.
    """
    x = first_rows("x", x, max(512, index + 1))
    mean, some = vae.encode(x[: index + 1]), x[:512]
    by_kl = evaluation.has_kl_per_dimension(vae)
    weight = vae.kl_per_dimension(some) if by_kl else vae.encode(some).var(axis=0)
    mean, weight = mean.reshape(len(mean), -1), weight.ravel()
    order = np.argsort(-weight)[:rows]
    sphere = vae.on_sphere()
    if sphere:
        limit = min(limit / np.sqrt(vae.latent_dim), 1.0)
    values = np.linspace(-limit, limit, columns)
    codes = np.tile(mean[index], (len(order), columns, 1))
    for row, dimension in enumerate(order):
        if sphere:
            codes[row] = _around(mean[index], dimension, values)
        else:
            codes[row, :, dimension] = values
    images = vae.decode(codes.reshape(-1, *vae.latent_shape))
    return image_grid(
        images.reshape(*codes.shape[:2], *images.shape[1:]),
        row_labels=[f"$z_{{{d}}}$   {'KL' if by_kl else 'var'} {weight[d]:.2f}" for d in order],
        column_labels=[_signed(value) for value in values],
        ax=ax,
    )


def _around(code, dimension, values):
    """Returns unit vectors with these values of a dimension, the others in proportion."""
    others = code.astype("float64")
    others[dimension] = 0.0
    norm = np.linalg.norm(others)
    if norm < 1e-6:  # the code is the dimension's axis
        others, norm = np.eye(len(code))[(dimension + 1) % len(code)], 1.0
    codes = np.sqrt(1.0 - np.square(values))[:, None] * others / norm
    codes[:, dimension] = values
    return codes


def image_grid(
    images,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    ax: "Axes | None" = None,
) -> "Figure":
    """Draws images in rows and columns.

    Args:
        images: shape `(rows, columns, height, width)`, with a last axis of 1, 3
            or 4 channels or none; values in [0, 1], others are clipped.
        row_labels: a label to the left of each row.
        column_labels: a label above each column.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.

    Raises:
        ValueError: if the images are not of such a shape.
    """
    # Not pyplot: a figure of its own needs no display and leaves no state behind.
    from matplotlib.figure import Figure

    images = np.clip(np.asarray(images, "float32"), 0.0, 1.0)
    if images.ndim == 4:
        images = images[..., None]
    if images.ndim != 5 or images.shape[-1] not in (1, 3, 4):
        raise ValueError(
            "Images must have shape (rows, columns, height, width) or (rows, columns, height, "
            f"width, channels) with 1, 3 or 4 channels; received {images.shape}."
        )
    rows, columns, height, width, channels = images.shape
    left, top, cell = (1.4 if row_labels else 0.05), (0.3 if column_labels else 0.05), 0.8
    cell_width = cell * width / height
    # One axis for all images: many axes would be slow. White lines part them.
    gap = max(1, height // 32)
    canvas = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, channels))
    for row in range(rows):
        for column in range(columns):
            y, x = row * (height + gap), column * (width + gap)
            canvas[y : y + height, x : x + width] = images[row, column]
    if ax is None:
        size = (left + columns * cell_width + 0.05, top + rows * cell + 0.05)
        width_inside, height_inside = 1 - (left + 0.05) / size[0], 1 - (top + 0.05) / size[1]
        inside = (left / size[0], 0.05 / size[1], width_inside, height_inside)
        ax = Figure(figsize=size, dpi=100).add_axes(inside)
    ax.imshow(canvas.squeeze(-1) if channels == 1 else canvas, cmap="gray", vmin=0, vmax=1)
    ax.set_frame_on(False)
    ax.xaxis.tick_top()
    ax.tick_params(length=0, labelsize=9)
    ax.set_xticks([(i + 0.5) * (width + gap) - gap for i in range(len(column_labels))])
    ax.set_xticklabels(column_labels)
    ax.set_yticks([(i + 0.5) * (height + gap) - gap for i in range(len(row_labels))])
    ax.set_yticklabels(row_labels)
    return figure_of(ax)


def _signed(value):
    return f"{value:+.1f}".replace("-", "−")
