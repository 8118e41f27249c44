"""Encoders: from data to the parameters of the posterior and draws of it."""

import keras

from keras_vae.encoders.base import Encoder
from keras_vae.encoders.from_layer import FromLayer
from keras_vae.encoders.sample_layer import SampleLayer
from keras_vae.encoders.variational_encoder import VariationalEncoder

__all__ = ["Encoder", "FromLayer", "SampleLayer", "VariationalEncoder", "get"]


def get(layer: keras.layers.Layer) -> Encoder:
    """Returns the encoder that a layer is, or stands for.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(layer, Encoder):
        return layer
    if isinstance(layer, keras.layers.Layer):
        return FromLayer(layer)
    raise TypeError(f"encoder must be a Keras layer or model; received {layer!r}.")
