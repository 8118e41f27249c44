"""Embedding: a category as a learned vector."""

import keras
import numpy as np
from keras import ops

from keras_vae.conditions.categories import Categories
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_count


@serializable()
class Embedding(Categories):
    """e(c): a learned vector for each category, for where there are many of them.

    Args:
        categories: how many there are, or their names, a list of strings or integers.
        size: how many numbers a vector has.
        names: the names, where `categories` is a number; learned from strings by default.
        unknown: how often training takes c for unknown; `None` where all rows are known.
        seed: of which rows are taken for unknown.

    Example:
        >>> vae = VAE(encoder, decoder, condition=Embedding(1000, 16))
    """

    def __init__(
        self,
        categories,
        size: int = 8,
        names: list | None = None,
        unknown: float | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(categories, names, unknown, seed, **kwargs)
        self.size = check_count("size", size)

    def build(self, input_shape) -> None:
        super().build(input_shape)
        apart = keras.initializers.RandomNormal(stddev=1.0 / self.size**0.5)
        self.vectors = self.add_weight((self.n, self.size), apart, name="vectors")

    def embed(self, rows) -> Tensor:
        vectors = ops.take(self.vectors, ops.clip(rows, 0, self.n - 1), axis=0)
        # NaN for numbers of no category, which a stream may hold.
        inside = ops.logical_and(rows >= 0, rows < self.n)
        return ops.where(ops.expand_dims(inside, -1), vectors, np.float32(np.nan))

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size}
