"""Variational autoencoders for Keras 3."""

from keras_vae import (
    datasets,
    likelihoods,
    networks,
    objectives,
    posteriors,
    priors,
    schedules,
)
from keras_vae.encoder import VariationalEncoder
from keras_vae.sample_layer import SampleLayer
from keras_vae.vae import VAE

__version__ = "0.1.0"

__all__ = [
    "VAE",
    "SampleLayer",
    "VariationalEncoder",
    "datasets",
    "likelihoods",
    "networks",
    "objectives",
    "posteriors",
    "priors",
    "schedules",
]
