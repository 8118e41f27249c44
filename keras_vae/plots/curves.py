"""Plots made of points, lines and bars: numbers of a training and of its codes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import keras
import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def latent_scatter(z, labels=None, ax: "Axes | None" = None) -> "Figure":
    """Draws codes as points, coloured by label.

    Of codes with more than two dimensions the two that vary most are drawn.

    Args:
        z: codes of shape `(n, latent_dim)`, as of `vae.encode`.
        labels: of shape `(n,)`: up to 20 different ones get a legend, more, or
            real numbers, a colour bar.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.

    Raises:
        ValueError: if there are fewer than two dimensions, or labels of another length.
    """
    z = np.asarray(z)
    if z.ndim != 2 or z.shape[1] < 2:
        raise ValueError(f"z must have shape (n, 2 or more); received {z.shape}.")
    if labels is not None and len(labels) != len(z):
        raise ValueError(f"z has {len(z)} codes, but there are {len(labels)} labels.")
    first, second = np.sort(np.argsort(-z.var(axis=0), kind="stable")[:2])
    ax = axes_of(ax, (5.5, 5.0))
    x, y = z[:, first], z[:, second]
    style: dict[str, Any] = {"s": 8, "linewidths": 0}
    known = np.unique([] if labels is None else labels)
    if labels is None:
        ax.scatter(x, y, **style)
    elif len(known) <= 20:
        for i, label in enumerate(known):
            rows = np.asarray(labels) == label
            ax.scatter(x[rows], y[rows], label=str(label), color=f"C{i}", **style)
        ax.legend(markerscale=2.5, fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    else:
        ax.figure.colorbar(ax.scatter(x, y, c=labels, **style), ax=ax)
    ax.set(xlabel=f"$z_{{{first}}}$", ylabel=f"$z_{{{second}}}$", aspect="equal")
    return figure_of(ax)


def history(
    history: keras.callbacks.History, name: str = "loss", ax: "Axes | None" = None
) -> "Figure":
    """Draws a log of `fit` over the epochs, with that of the validation if there is one.

    Args:
        history: what `fit` returns.
        name: of the log, such as `"loss"`, `"reconstruction_loss"` or `"kl_loss"`.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.

    Raises:
        ValueError: if there is no such log.
    """
    logs = history.history
    if name not in logs:
        raise ValueError(f"There is no log {name!r}. Known logs: {', '.join(logs)}.")
    ax = axes_of(ax, (5.0, 3.2))
    epochs = np.asarray(history.epoch) + 1
    of_training = not name.startswith("val_")
    ax.plot(epochs, logs[name], marker=".", label="training" if of_training else "validation")
    validation = logs.get(f"val_{name}", [])
    if len(validation) == len(epochs):
        ax.plot(epochs, validation, marker=".", label="validation")
        ax.legend()
    unit = " (nats)" if name == "loss" or name.endswith("_loss") else ""
    ax.set(xlabel="epoch", ylabel=name.removeprefix("val_").replace("_", " ") + unit)
    return figure_of(ax)


def rate_distortion(
    rates: Sequence[float],
    distortions: Sequence[float],
    betas: Sequence[float] | None = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """Draws what models of several β reach: the KL, and the reconstruction loss at that price.

    Args:
        rates: the KL of each model, in nats.
        distortions: its reconstruction loss, in nats.
        betas: its β, written beside the point.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.

    Reference:
        Alemi et al., "Fixing a broken ELBO", 2018, figure 1.
    """
    ax = axes_of(ax, (5.0, 3.6))
    order = np.argsort(rates)
    ax.plot(np.asarray(rates)[order], np.asarray(distortions)[order], marker="o")
    for beta, *point in zip(betas or (), rates, distortions, strict=False):
        ax.annotate(f" β = {beta:g}", (point[0], point[1]), va="bottom")
    ax.margins(0.2, 0.12)  # room for the last β
    ax.set(xlabel="rate: KL (nats)", ylabel="distortion: reconstruction loss (nats)")
    return figure_of(ax)


def score_histogram(usual, anomalous=None, bins: int = 50, ax: "Axes | None" = None) -> "Figure":
    """Draws how scores are distributed, those of usual data and those of anomalies.

    Args:
        usual: scores of shape `(n,)`, as of `vae.score`.
        anomalous: scores to compare with.
        bins: of the histograms, over the range of both.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.
    """
    ax = axes_of(ax, (5.5, 3.2))
    groups = {"usual": usual} | ({} if anomalous is None else {"anomalous": anomalous})
    edges = np.histogram_bin_edges(np.concatenate([np.ravel(g) for g in groups.values()]), bins)
    for label, scores in groups.items():
        ax.hist(np.ravel(scores), edges.tolist(), alpha=0.6, density=True, label=label)
    if anomalous is not None:
        ax.legend()
    ax.set(xlabel="score (nats)", ylabel="density")
    return figure_of(ax)


def kl_per_dimension(kl, ax: "Axes | None" = None) -> "Figure":
    """Draws the KL of each latent dimension as a bar, the most informative first.

    Args:
        kl: in nats, of any shape, as of `vae.kl_per_dimension(x)`.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.
    """
    kl = np.ravel(kl)
    order = np.argsort(-kl, kind="stable")
    ax = axes_of(ax, (min(9.0, 2.0 + 0.35 * len(kl)), 3.0))
    ax.bar(range(len(kl)), kl[order], width=0.8)
    few = len(kl) <= 24  # more labels would run into one another
    ax.set_xticks(range(len(kl)) if few else [])
    if few:
        ax.set_xticklabels([f"$z_{{{d}}}$" for d in order])
    ax.set(xlabel="latent dimension", ylabel="KL (nats)", ylim=(0, None))
    return figure_of(ax)


def figure_of(ax: "Axes") -> "Figure":
    """Returns the figure of axes; of axes on a part of a figure, that part."""
    return cast("Figure", ax.figure)


def axes_of(ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    """Returns the axes, or those of a new figure of a size in inches."""
    if ax is not None:
        return ax
    # Not pyplot: a figure of its own needs no display and leaves no state behind.
    from matplotlib.figure import Figure

    return Figure(figsize=size, dpi=100, layout="constrained").add_subplot()
