"""image_grid: images in rows and columns, which all plots of images are made of."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_vae.plots.curves import figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
