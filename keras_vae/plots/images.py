"""Plots made of images: what the decoder draws."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_vae import measures
from keras_vae.training.inference_data import first_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from keras_vae.vae import VAE


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
            prior's draws, instead of straight lines.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.

    Reference:
        White, "Sampling generative networks", 2016, section 2.1, for the arcs.
    """
    if not spherical:
        return image_grid(vae.interpolate(start, end, n_steps), ax=ax)
    a, b = vae.encode(start)[:, None], vae.encode(end)[:, None]
    unit_a, unit_b = (z / np.linalg.norm(z, axis=-1, keepdims=True) for z in (a, b))
    angle = np.arccos(np.clip((unit_a * unit_b).sum(-1, keepdims=True), -1.0, 1.0))
    t = np.linspace(0.0, 1.0, n_steps)[None, :, None]
    # sin(tω) / sin(ω), which is t in the limit of one direction.
    weight_a, weight_b = (
        s * np.sinc(s * angle / np.pi) / np.sinc(angle / np.pi) for s in (1 - t, t)
    )
    codes = weight_a * a + weight_b * b
    images = vae.decode(codes.reshape(-1, codes.shape[-1]))
    return image_grid(images.reshape(*codes.shape[:2], *images.shape[1:]), ax=ax)


def manifold(
    vae: "VAE",
    n: int = 15,
    limit: float = 2.5,
    dimensions: tuple[int, int] = (0, 1),
    ax: "Axes | None" = None,
) -> "Figure":
    """Draws the decoded images of a grid over two latent dimensions, the others being 0.

    Args:
        vae: a trained VAE of images.
        n: images in a row and in a column.
        limit: both dimensions go from `-limit` to `limit`.
        dimensions: the one that varies to the right, and the one that varies upwards.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.
    """
    values = np.linspace(-limit, limit, n)
    codes = np.zeros((n, n, vae.latent_dim), "float32")
    codes[..., dimensions[0]] = values
    codes[..., dimensions[1]] = values[::-1, None]
    images = vae.decode(codes.reshape(-1, vae.latent_dim))
    return image_grid(
        images.reshape(n, n, *images.shape[1:]),
        row_labels=[_signed(value) for value in values[::-1]],
        column_labels=[_signed(value) for value in values],
        ax=ax,
    )


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

    Args:
        vae: a trained VAE of images.
        x: images; those that the KL is averaged over.
        index: the image in `x` whose code is varied.
        limit: the varied dimension goes from `-limit` to `limit`, in standard
            deviations of the prior.
        columns: number of values in between, both ends included.
        rows: how many dimensions to draw; all by default.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.
    """
    x = first_rows("x", x, max(512, index + 1))
    mean, some = vae.encode(x[: index + 1]), x[:512]
    by_kl = measures.has_kl_per_dimension(vae)
    weight = vae.kl_per_dimension(some) if by_kl else vae.encode(some).var(axis=0)
    order = np.argsort(-weight)[:rows]
    values = np.linspace(-limit, limit, columns)
    codes = np.tile(mean[index], (len(order), columns, 1))
    for row, dimension in enumerate(order):
        codes[row, :, dimension] = values
    images = vae.decode(codes.reshape(-1, codes.shape[-1]))
    return image_grid(
        images.reshape(*codes.shape[:2], *images.shape[1:]),
        row_labels=[f"$z_{{{d}}}$   {'KL' if by_kl else 'var'} {weight[d]:.2f}" for d in order],
        column_labels=[_signed(value) for value in values],
        ax=ax,
    )


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
        inside = (left / size[0], 0.05 / size[1])
        inside += (1 - (left + 0.05) / size[0], 1 - (top + 0.05) / size[1])
        ax = Figure(figsize=size, dpi=100).add_axes(inside)
    ax.imshow(canvas.squeeze(-1) if channels == 1 else canvas, cmap="gray", vmin=0, vmax=1)
    ax.set_frame_on(False)
    ax.xaxis.tick_top()
    ax.tick_params(length=0, labelsize=9)
    ax.set_xticks([(i + 0.5) * (width + gap) - gap for i in range(len(column_labels))])
    ax.set_xticklabels(column_labels)
    ax.set_yticks([(i + 0.5) * (height + gap) - gap for i in range(len(row_labels))])
    ax.set_yticklabels(row_labels)
    return ax.figure


def _signed(value):
    return f"{value:+.1f}".replace("-", "−")
