"""Plots of what latent dimensions do: images decoded from codes along them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_vae import evaluation
from keras_vae.plots.conditions import first_rows, repeated
from keras_vae.plots.grid import image_grid
from keras_vae.validation.arguments import check_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from keras_vae.model.vae import VAE


def manifold(
    vae: "VAE",
    n: int = 15,
    limit: float = 2.5,
    dimensions: Sequence[int] | None = None,
    ax: "Axes | None" = None,
    condition=None,
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
        condition: what is given beside all codes.

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
    flat = codes.reshape(-1, *vae.latent_shape).astype("float32")
    images = vae.decode(flat, condition=condition)
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
    condition=None,
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
        condition: what is given beside x, one for all or one for each; that of the image is
            held too.

    Returns:
        The figure.
    """
    x, given = first_rows(vae, x, max(512, index + 1), condition)
    here, some = slice(index, index + 1), slice(0, 512)
    mean = vae.encode(x[here], condition=repeated(given, here, 1))
    by_kl = evaluation.has_kl_per_dimension(vae)
    usage = vae.kl_per_dimension if by_kl else vae.encode
    weight = usage(x[some], condition=repeated(given, some, 1))
    weight = weight if by_kl else weight.var(axis=0)
    mean, weight = mean.ravel(), weight.ravel()
    order = np.argsort(-weight)[:rows]
    sphere = vae.on_sphere()
    if sphere:
        limit = min(limit / np.sqrt(vae.latent_dim), 1.0)
    values = np.linspace(-limit, limit, columns)
    codes = np.tile(mean, (len(order), columns, 1))
    for row, dimension in enumerate(order):
        if sphere:
            codes[row] = _around(mean, dimension, values)
        else:
            codes[row, :, dimension] = values
    flat = codes.reshape(-1, *vae.latent_shape)
    images = vae.decode(flat, condition=repeated(given, here, len(flat)))
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


def _signed(value):
    return f"{value:+.1f}".replace("-", "−")
