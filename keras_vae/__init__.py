"""Variational autoencoders for Keras 3."""

import importlib

from keras_vae.cli import chooses_backend
from keras_vae.version import __version__

if not chooses_backend():  # else the command `keras-vae` loads these once it has chosen
    from keras_vae import (
        callbacks,
        conditions,
        datasets,
        distributions,
        evaluation,
        likelihoods,
        networks,
        objectives,
        plots,
        posteriors,
        priors,
        schedules,
    )
    from keras_vae.encoders import SampleLayer, VariationalEncoder
    from keras_vae.evaluation.anomaly_detector import AnomalyDetector
    from keras_vae.model.vae import VAE
    from keras_vae.saving.load_model import load_model

__all__ = [
    "VAE",
    "AnomalyDetector",
    "SampleLayer",
    "VariationalEncoder",
    "__version__",
    "callbacks",
    "conditions",
    "datasets",
    "distributions",
    "evaluation",
    "likelihoods",
    "load_model",
    "networks",
    "objectives",
    "plots",
    "posteriors",
    "priors",
    "schedules",
]


def __getattr__(name):
    if name == "estimators":  # only then, as they need scikit-learn
        return importlib.import_module("keras_vae.estimators")
    raise AttributeError(f"module 'keras_vae' has no attribute {name!r}")
