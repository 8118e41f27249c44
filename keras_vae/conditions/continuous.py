"""Continuous: numbers as a condition."""

import numpy as np
from keras import ops

from keras_vae.conditions.base import Condition
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_count


@serializable()
class Continuous(Condition):
    """e(c) = (c - mean) / standard deviation, k numbers; a row with a NaN is unknown.

    Mean and standard deviation are those of the data of the first `fit`, of a stream
    those of its first batch, and are saved with the weights.

    Args:
        k: how many numbers c has.
        standardize: whether to subtract the mean and divide by the standard deviation.
        unknown: how often training takes c for unknown; `None` where all rows are known.
        seed: of which rows are taken for unknown.

    Example:
        >>> vae = VAE(encoder, decoder, condition=Continuous(2))
        >>> vae.fit(x, condition=np.stack([age, dose], axis=1))
    """

    def __init__(
        self,
        k: int = 1,
        standardize: bool = True,
        unknown: float | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(unknown=unknown, seed=seed, **kwargs)
        self.size = check_count("k", k)
        self.row_shape = (self.size,)
        self.standardize = bool(standardize)

    def build(self, input_shape) -> None:
        super().build(input_shape)
        if self.standardize:
            shape = (self.size,)
            self.mean = self.add_weight(shape, "zeros", trainable=False, name="mean")
            self.std = self.add_weight(shape, "ones", trainable=False, name="std")
            self.has_seen = self.add_weight((), "zeros", trainable=False, name="has_seen")

    def read_rows(self, name, values) -> np.ndarray:
        try:
            rows = values.astype("float32")
        except (TypeError, ValueError):
            raise ValueError(
                f"{name} must hold numbers for a Continuous condition; received "
                f"{values.ravel()[0]!r}. For categories take keras_vae.conditions.OneHot."
            ) from None
        if self.size == 1 and rows.ndim == 1:
            rows = rows[:, None]
        if rows.shape[1:] != self.row_shape:
            raise ValueError(
                f"{name} must have shape (n, {self.size}); received {rows.shape}. The condition "
                f"was made for {self.size} numbers: keras_vae.conditions.Continuous({self.size})."
            )
        if np.isinf(rows).any():
            raise ValueError(f"{name} has infinite values.")
        return rows

    def look_at(self, rows) -> None:
        known = rows[~np.isnan(rows).any(axis=1)]
        if not self.standardize or not len(known) or ops.convert_to_numpy(self.has_seen):
            return
        std = known.std(axis=0, dtype="float64")
        self.mean.assign(known.mean(axis=0, dtype="float64"))
        self.std.assign(np.where(std > 0.0, std, 1.0))
        self.has_seen.assign(1.0)

    def embed(self, rows) -> Tensor:
        return (rows - self.mean) / self.std if self.standardize else rows

    def get_config(self) -> dict:
        return {**super().get_config(), "k": self.size, "standardize": self.standardize}
