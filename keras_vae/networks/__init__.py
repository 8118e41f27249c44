"""Networks to start from: ordinary Keras layers, mirror images of each other."""

from keras_vae.networks.conv import ConvDecoder, ConvEncoder
from keras_vae.networks.default import DefaultEncoder, default_encoder
from keras_vae.networks.dense import DenseDecoder, DenseEncoder

__all__ = [
    "ConvDecoder",
    "ConvEncoder",
    "DefaultEncoder",
    "DenseDecoder",
    "DenseEncoder",
    "default_encoder",
]
