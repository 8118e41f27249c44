"""Plots of scores: what lies behind a calibration error, a DCI score, a precision and recall."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vae import evaluation
from keras_vae.plots.curves import axes_of, figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def calibration(probabilities, labels, n_bins: int = 15, ax: "Axes | None" = None) -> "Figure":
    """Draws how often predictions are right, by bin of their confidence.

    Points below the diagonal are too sure. The area of a point is its share of the rows, and the
    title gives the expected calibration error.

    Args:
        probabilities: `(n, classes)`, or `(n,)` of class 1.
        labels: classes from 0 on, `(n,)`.
        n_bins: equal bins (lo, hi].
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.

    Raises:
        ValueError: for other shapes or what is no probability.
    """
    confidence, accuracy, count = evaluation.reliability(probabilities, labels, n_bins)
    error = evaluation.expected_calibration_error(probabilities, labels, n_bins)
    of_one_class = np.ndim(probabilities) == 1
    ax = axes_of(ax, (4.4, 4.4))
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", zorder=0)
    some = count > 0
    ax.vlines(
        confidence[some], accuracy[some], confidence[some], color="C3", linewidth=1, alpha=0.6
    )
    ax.plot(confidence[some], accuracy[some], color="C0", linewidth=1)
    ax.scatter(confidence[some], accuracy[some], s=12 + 500 * count[some] / count.sum(), color="C0")
    ax.set(
        xlim=(-0.03, 1.03),
        ylim=(-0.03, 1.03),
        aspect="equal",
        xlabel="probability of class 1" if of_one_class else "confidence",
        ylabel="share of class 1" if of_one_class else "accuracy",
        title=f"calibration error {error:.3f}",
    )
    return figure_of(ax)


def gaussian_calibration(mean, std, target, ax: "Axes | None" = None) -> "Figure":
    """Draws the share of targets in the central intervals of N(mean, std²), by their level.

    A curve below the diagonal means that the error bars are too small.

    Args:
        mean: numbers of any shape.
        std: standard deviations, above 0.
        target: what was observed.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.

    Raises:
        ValueError: for shapes that differ, NaN, or an std that is not positive.
    """
    levels = np.linspace(0.0, 0.99, 34)
    share = evaluation.gaussian_coverage(mean, std, target, levels.tolist())
    ax = axes_of(ax, (4.4, 4.4))
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", zorder=0)
    ax.plot(levels, share, color="C0")
    ax.fill_between(levels, levels, share, color="C3", alpha=0.15, linewidth=0)
    ax.set(
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
        xlabel="level of the central interval",
        ylabel="share of targets inside",
    )
    return figure_of(ax)


def importance_matrix(
    importance,
    factor_names: Sequence[str] = (),
    latent_names: Sequence[str] = (),
    label: str = "importance",
    ax: "Axes | None" = None,
) -> "Figure":
    """Draws how much each latent matters for each factor, a row per factor.

    Args:
        importance: `(d, k)`, not negative, as of `evaluation.dci(...).importance` or
            `evaluation.information_matrix`.
        factor_names: one for each factor.
        latent_names: one for each latent; z₀, z₁, ... by default.
        label: what the numbers are, for the colour bar.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.

    Raises:
        ValueError: if it is no matrix, or the names are of another number.
    """
    table = np.asarray(importance, "float64").T
    if table.ndim != 2 or not table.size:
        raise ValueError(f"importance must have shape (d, k); received {np.shape(importance)}.")
    rows, columns = table.shape
    factor_names = list(factor_names) or [f"factor {j}" for j in range(rows)]
    latent_names = list(latent_names) or [f"$z_{{{i}}}$" for i in range(columns)]
    if (len(factor_names), len(latent_names)) != (rows, columns):
        raise ValueError(
            f"importance is of {columns} latents and {rows} factors; received {len(latent_names)} "
            f"and {len(factor_names)} names."
        )
    ax = axes_of(ax, (1.9 + 0.55 * columns, 0.9 + 0.45 * rows))
    most = max(table.max(), 1e-9)
    image = ax.imshow(table, cmap="Blues", vmin=0.0, vmax=most, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        color = "white" if value > 0.6 * most else "black"
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=color)
    ax.set_xticks(range(columns), latent_names)
    ax.set_yticks(range(rows), factor_names)
    ax.tick_params(length=0)
    ax.figure.colorbar(image, ax=ax, label=label)
    return figure_of(ax)


def precision_recall_cloud(real, fake, k: int = 5, ax: "Axes | None" = None) -> "Figure":
    """Draws features of real and of generated samples, and which lie outside of the other set.

    In the plane of the real features' two principal components, where more may seem to overlap than
    does: what lies outside is judged by all of them.

    Args:
        real: features, `(n, p)`, p at least 2.
        fake: features, `(m, p)`.
        k: which neighbour bounds a ball, see `evaluation.precision_recall`.
        ax: matplotlib axes to draw on; a figure of its own by default.

    Returns:
        The figure.

    Raises:
        ValueError: for features of another width, NaN, a single feature, or no more than k rows.
    """
    within, covered = evaluation.inside_neighbourhoods(real, fake, k)
    real, fake = (np.reshape(x, (len(x), -1)).astype("float64") for x in (real, fake))
    if real.shape[1] < 2:
        raise ValueError("A plane needs two features or more; received 1.")
    center = real.mean(axis=0)
    plane = np.linalg.svd(real - center, full_matrices=False)[2][:2].T
    ax = axes_of(ax, (6.4, 4.6))
    groups = [
        ("real, covered", real[covered], "C0", "o", 10, 0.35),
        ("fake, among real ones", fake[within], "C1", "o", 10, 0.5),
        ("real, missed", real[~covered], "C0", "x", 16, 0.6),
        ("fake, outside", fake[~within], "C3", "x", 26, 0.9),
    ]
    for name, points, color, marker, size, alpha in groups:
        x, y = ((points - center) @ plane).T if len(points) else ([], [])
        style: dict[str, Any] = {"color": color, "marker": marker, "alpha": alpha}
        ax.scatter(x, y, s=size, label=f"{name} ({len(points)})", linewidths=1, **style)
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    ax.set(
        xlabel="first principal component",
        ylabel="second principal component",
        title=f"precision {within.mean():.2f}, recall {covered.mean():.2f}",
    )
    return figure_of(ax)
