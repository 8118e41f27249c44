"""Whether the scale of data suits a likelihood of real numbers."""

import warnings

import numpy as np
from keras import ops

from keras_vae.likelihoods.statistics import Statistics
from keras_vae.typing import Tensor

_MAX_ROWS, _MAX_NAMED = 2000, 5


def unsuited(target: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns which columns are too far off or too small for a likelihood of that scale.

    Too far off is a mean or standard deviation above 100 scales, and above 10, as
    decoders begin near 0. Too small is a standard deviation below a thousandth of the
    scale, or below a hundredth in all columns, as then all reconstructions cost
    the same. Columns of which most values are equal, such as the dark edges of
    images, are never too small.

    Args:
        target: `(n, ..., n_columns)`; NaN is left out.
        scale: the standard deviation of the likelihood.

    Returns:
        Whether each column is unsuited, its mean and its standard deviation,
        `(n_columns,)`.
    """
    values = target[:: max(1, len(target) // _MAX_ROWS)].astype("float64")
    values = values.reshape(-1, values.shape[-1])
    n = np.maximum(np.sum(~np.isnan(values), axis=0), 1)
    mean = np.nansum(values, axis=0) / n
    std = np.sqrt(np.nansum((values - mean) ** 2, axis=0) / n)
    # NaN counts as the least value, which at worst moves the middle by as many ranks.
    middle = np.sort(np.nan_to_num(values, nan=-np.inf), axis=0)[len(values) // 2]
    varied = (std > 0.0) & (np.sum(values == middle, axis=0) <= 0.5 * n)
    far = np.maximum(np.abs(mean), std) > max(100.0 * scale, 10.0)
    all_small = varied.any() and (std[varied] < 0.01 * scale).all()
    return far | (varied & (all_small | (std < 0.001 * scale))), mean, std


def warn_of_scale(name: str, target: np.ndarray, scale: float) -> None:
    """Warns of the columns that are `unsuited` to the likelihood called `name`."""
    columns, mean, std = unsuited(target, scale)
    found = np.flatnonzero(columns)
    if not found.size:
        return
    column = "column {}" if target.ndim == 2 else "[..., {}]"
    named = [f"{column.format(i)} (mean {mean[i]:.3g}, std {std[i]:.3g})" for i in found]
    if len(named) > _MAX_NAMED:
        named[_MAX_NAMED:] = [f"{len(named) - _MAX_NAMED} more"]
    warnings.warn(
        f"The scale of the data does not suit {name} (scale {scale:.3g}) and networks, in "
        f"{', '.join(named)}: standardize the data, (x - x.mean(0)) / x.std(0), take np.log1p of "
        'what spans orders of magnitude, and let Gaussian("per_feature") find what noise is left.',
        stacklevel=2,
    )


class Units(Statistics):
    """The units in which a decoder counts data: those of the data itself for most columns.

    Columns that are `unsuited` are counted in their own standard deviation from their own
    mean, as the first training data has them.

    Args:
        n_columns: size of the data's last axis.
    """

    def __init__(self, n_columns: int):
        super().__init__(
            {"location": 0.0, "scale": 1.0, "is_kept": 0.0, "is_of_x": 0.0}, (n_columns,)
        )

    def look_at(self, target: np.ndarray, scale: float, is_x: bool = False) -> None:
        """Chooses the units by data, the first time.

        Args:
            target: the data.
            scale: the standard deviation of the likelihood.
            is_x: whether the encoder gets the same data, which is then in these units too.
        """
        if ops.convert_to_numpy(self.is_kept).any():
            return
        columns, mean, std = unsuited(target, scale)
        if columns.shape == self.scale.shape:
            self.location.assign(np.where(columns, mean, 0.0))
            self.scale.assign(np.where(columns & (std > 0.0), std, 1.0))
            self.is_of_x.assign(np.full(columns.shape, float(is_x)))
        self.keep()

    def keep(self) -> None:
        """Leaves the units as they are from now on, as weights are trained for them."""
        self.is_kept.assign(ops.ones(self.is_kept.shape))

    def standardized(self, x) -> Tensor:
        """Returns the tensor x in these units."""
        return (x - self.location) / self.scale

    def as_input(self, x) -> Tensor:
        """Returns the tensor x in these units, if the encoder gets it so."""
        x = ops.cast(x, "float32")
        return ops.where(self.is_of_x > 0.0, self.standardized(x), x)

    def restored(self, x) -> Tensor:
        """Returns a tensor in these units in the data's own."""
        return self.location + self.scale * x

    def load_own_variables(self, store) -> None:
        super().load_own_variables(store)
        if not len(store.keys()):
            self.keep()  # of a model that was trained with version 0.1
