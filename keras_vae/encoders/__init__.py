"""Encoders: from data to the parameters of the posterior and draws of it."""

from keras_vae.encoders.sample_layer import SampleLayer
from keras_vae.encoders.variational_encoder import VariationalEncoder

__all__ = ["SampleLayer", "VariationalEncoder"]
