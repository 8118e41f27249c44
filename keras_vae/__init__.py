"""Variational autoencoders for Keras 3."""

from keras_vae import (
    callbacks,
    datasets,
    likelihoods,
    networks,
    objectives,
    plots,
    posteriors,
    priors,
    schedules,
)
from keras_vae.encoder import VariationalEncoder
from keras_vae.load_model import load_model
from keras_vae.sample_layer import SampleLayer
from keras_vae.vae import VAE
from keras_vae.version import __version__

__all__ = [
    "VAE",
    "SampleLayer",
    "VariationalEncoder",
    "__version__",
    "callbacks",
    "datasets",
    "likelihoods",
    "load_model",
    "networks",
    "objectives",
    "plots",
    "posteriors",
    "priors",
    "schedules",
]
