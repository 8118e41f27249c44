"""FromLayer: any layer from c to a vector as a condition, such as a network over an image."""

import copy
import math
from typing import Self

import keras
import numpy as np
from keras import ops

from keras_vae.conditions.base import Condition
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_shape


@serializable()
class FromLayer(Condition):
    """e(c): what a layer or network makes of c, flattened; a row with a NaN is unknown.

    `VAE(condition=layer)` is short for it where the shape of c need not be known before
    the data.

    Args:
        layer: from c, `(batch, *shape)`, to `(batch, ...)`.
        shape: the shape of one c; `None` takes that of the data.
        whole_numbers: whether c consists of ids, which the layer gets as integers.
        unknown: how often training takes c for unknown; `None` where all rows are known.
        seed: of which rows are taken for unknown.

    Example:
        >>> network = keras.Sequential([keras.layers.GRU(16)])
        >>> vae = VAE(encoder, decoder, condition=FromLayer(network, (20, 3)))
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        shape: tuple[int, ...] | None = None,
        whole_numbers: bool = False,
        unknown: float | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(unknown=unknown, seed=seed, **kwargs)
        if not isinstance(layer, keras.layers.Layer):
            raise TypeError(f"layer must be a Keras layer or model; received {layer!r}.")
        if whole_numbers and unknown is not None:
            raise ValueError(
                "Ids have no NaN to say that they are unknown: choose an id for that, and leave "
                "unknown=None."
            )
        self.layer = layer
        self.whole_numbers = bool(whole_numbers)
        self.row_dtype = "int32" if whole_numbers else "float32"
        self.row_shape = None if shape is None else check_shape("shape", shape)
        self.size = None

    def build(self, input_shape) -> None:
        if self.row_shape is None:
            self.row_shape = tuple(input_shape[1:])
        # A symbolic call builds user-made layers that have no `build` too.
        rows = keras.KerasTensor((None, *self.row_shape), self.row_dtype)
        self.size = math.prod(self.layer(rows, training=False).shape[1:])
        super().build(input_shape)

    def read_rows(self, name, values) -> np.ndarray:
        rows = values.astype(self.row_dtype)
        if self.row_shape is not None and rows.shape[1:] != self.row_shape:
            raise ValueError(
                f"{name} must have samples of shape {self.row_shape}; received {rows.shape[1:]}."
            )
        return rows

    def embed(self, rows) -> Tensor:
        if not self.whole_numbers:
            rows = ops.where(ops.isnan(rows), 0.0, rows) if self.unknown is not None else rows
        vector = self.layer(rows)  # which knows whether this call trains
        return ops.cast(ops.reshape(vector, (-1, self.size)), "float32")

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "shape": self.row_shape,
            "whole_numbers": self.whole_numbers,
        }

    @classmethod
    def from_config(cls, config) -> Self:
        layer = keras.saving.deserialize_keras_object(copy.deepcopy(config["layer"]))
        return cls(**{**config, "layer": layer})
