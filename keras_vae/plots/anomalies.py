"""Plots of anomalies: where an image is odd, and how p-values are distributed."""

from typing import TYPE_CHECKING

import numpy as np

from keras_vae.plots.conditions import LONGEST_ABOVE, first_rows, labels
from keras_vae.plots.curves import axes_of, figure_of
from keras_vae.plots.grid import image_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from keras_vae.model.vae import VAE


def score_maps(
    vae: "VAE",
    x,
    n: int = 8,
    limit: float | None = None,
    ax: "Axes | None" = None,
    condition=None,
) -> "Figure":
    """Draws images, their reconstructions, and what each pixel costs.

    A map is -log p of each pixel, `-vae.score_per_feature(x)`, summed over channels, above the
    cheapest pixel of all images. All maps have one scale, so that they can be compared.

    Args:
        vae: a trained VAE of images.
        x: images of shape `(n or more, height, width[, channels])`, in [0, 1].
        n: how many to draw.
        limit: nats of the brightest color; by default what 1 in 500 pixels exceeds.
        ax: matplotlib axes to draw on; a figure of its own by default.
        condition: what is given beside x, one for all or one for each; written above the images.

    Returns:
        The figure.

    Raises:
        ValueError: if log p(x|z) does not come apart into pixels.
    """
    from matplotlib import colormaps

    x, given = first_rows(vae, x, n, condition)
    costs = -vae.score_per_feature(x, condition=given)
    costs = costs.sum(axis=-1) if costs.ndim == 4 else costs
    costs = costs - costs.min()
    limit = float(np.quantile(costs, 0.998)) if limit is None else limit
    maps = colormaps["magma"](np.clip(costs / max(limit, 1e-12), 0.0, 1.0))[..., :3]
    return image_grid(
        [_in_color(x), _in_color(vae.reconstruct(x, condition=given)), maps],
        row_labels=["input", "reconstruction", f"cost, to {limit:.3g} nats"],
        column_labels=labels(vae, given, LONGEST_ABOVE),
        ax=ax,
    )


def p_value_histogram(p_values, bins: int = 20, ax: "Axes | None" = None) -> "Figure":
    """Draws how p-values are distributed: evenly if all data is usual.

    Args:
        p_values: shape `(n,)`, as of `AnomalyDetector.p_value`.
        bins: of the histogram, from 0 to 1.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.
    """
    ax = axes_of(ax, (5.0, 3.0))
    ax.hist(np.ravel(p_values), np.linspace(0.0, 1.0, bins + 1).tolist(), density=True, alpha=0.6)
    ax.axhline(1.0, color="black", linestyle="--", label="usual data")
    ax.legend()
    ax.set(xlabel="p-value", ylabel="density", xlim=(0.0, 1.0))
    return figure_of(ax)


def _in_color(images):
    images = images[..., None] if images.ndim == 3 else images
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images[..., :3]
