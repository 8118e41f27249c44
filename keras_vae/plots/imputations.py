"""Plots of what was filled in where values were missing, and how sure it is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_vae.plots.grid import image_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GREY = 0.5  # stands for what is missing of an image


def imputations(
    x, several, truth=None, n: int = 4, n_draws: int = 5, names: Sequence[str] = ()
) -> "Figure":
    """Draws multiple imputations: vectors by their spread, images beside one another.

    Of a vector each missing value is a bar from the 5 % to the 95 % quantile of its
    imputations, with their median; observed values are points. Of an image the columns are
    what was observed, the rest grey, the mean of all imputations and some of these.

    Args:
        x: data with holes (NaN), `(n, d)`, or images in [0, 1], `(n, height, width[, channels])`.
        several: their imputations, `(m, *x.shape)`, as of `vae.impute(x, n_imputations=m)`.
        truth: what the values are, of the shape of x, if it is known.
        n: how many rows to draw, the first.
        n_draws: how many imputations of an image to draw.
        names: of the d features.

    Returns:
        The figure.

    Raises:
        ValueError: if the imputations are not of x, or x is neither of these.
    """
    x, several = np.asarray(x), np.asarray(several)
    if several.shape[1:] != x.shape:
        raise ValueError(
            f"several must hold imputations of x, shape (m, {', '.join(map(str, x.shape))}), as "
            f"vae.impute(x, n_imputations=m) gives them; received {several.shape}."
        )
    if truth is not None and np.shape(truth) != x.shape:
        raise ValueError(f"truth has shape {np.shape(truth)}, but x has {x.shape}.")
    if x.ndim not in (2, 3, 4):
        raise ValueError(f"x must hold vectors or images; its shape is {x.shape}.")
    x, several = x[:n], several[:, :n]
    truth = None if truth is None else np.asarray(truth)[:n]
    return (
        _vectors(x, several, truth, names) if x.ndim == 2 else _images(x, several, truth, n_draws)
    )


def _vectors(x, several, truth, names):
    from matplotlib.figure import Figure

    n, d = x.shape
    size = (max(5.0, 1.5 + 0.28 * d), 0.4 + 1.5 * n)
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    low, middle, high = np.quantile(several, (0.05, 0.5, 0.95), axis=0)
    for row, ax in enumerate(figure.subplots(n, 1, sharex=True, squeeze=False)[:, 0]):
        missing = np.flatnonzero(np.isnan(x[row]))
        ax.plot(np.arange(d), x[row], "o", color="0.35", markersize=3.5, label="observed")
        ax.vlines(missing, low[row, missing], high[row, missing], color="C0", lw=5, alpha=0.35,
                  label="90 % of imputations")  # fmt: skip
        ax.plot(missing, middle[row, missing], "_", color="C0", markersize=8, label="median")
        if truth is not None:
            ax.plot(missing, truth[row, missing], "x", color="C3", markersize=5, label="truth")
        ax.set(ylabel=f"row {row}", xlim=(-0.6, d - 0.4))
    if len(names):
        ax.set_xticks(range(d), names, rotation=90, fontsize=7)
    else:
        ax.set_xlabel("feature")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=8)
    return figure


def _images(x, several, truth, n_draws):
    shown = {"observed": np.where(np.isnan(x), _GREY, x), "mean": several.mean(axis=0)}
    shown |= {f"draw {i + 1}": draw for i, draw in enumerate(several[:n_draws])}
    shown |= {} if truth is None else {"truth": truth}
    return image_grid(np.stack(list(shown.values()), axis=1), column_labels=list(shown))
