"""What a trained model is worth: its log-likelihood and how much of its code is in use."""

from keras_vae.evaluation.likelihood import LogLikelihood, log_likelihood
from keras_vae.evaluation.usage import active_units, has_kl_per_dimension, kl_per_dimension

__all__ = [
    "LogLikelihood",
    "active_units",
    "has_kl_per_dimension",
    "kl_per_dimension",
    "log_likelihood",
]
