"""Networks to start from: ordinary Keras layers, mirror images of each other."""

from keras_vae.networks.conditional import (
    ConditionalConvDecoder,
    ConditionalConvEncoder,
    ConditionalDenseDecoder,
    ConditionalDenseEncoder,
)
from keras_vae.networks.conv import ConvDecoder, ConvEncoder
from keras_vae.networks.default import DefaultEncoder, default_encoder
from keras_vae.networks.dense import DenseDecoder, DenseEncoder
from keras_vae.networks.film import FiLM

__all__ = [
    "ConditionalConvDecoder",
    "ConditionalConvEncoder",
    "ConditionalDenseDecoder",
    "ConditionalDenseEncoder",
    "ConvDecoder",
    "ConvEncoder",
    "DefaultEncoder",
    "DenseDecoder",
    "DenseEncoder",
    "FiLM",
    "default_encoder",
]
