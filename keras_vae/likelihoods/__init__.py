"""Likelihoods of the data given a latent code: log p(x|z)."""

from keras_vae.identifiers import resolve
from keras_vae.likelihoods.bernoulli import Bernoulli
from keras_vae.likelihoods.categorical import Categorical
from keras_vae.likelihoods.from_function import FromFunction
from keras_vae.likelihoods.gaussian import Gaussian
from keras_vae.likelihoods.likelihood import Likelihood

__all__ = ["Bernoulli", "Categorical", "FromFunction", "Gaussian", "Likelihood", "get"]

NAMES = {"bernoulli": Bernoulli, "categorical": Categorical, "gaussian": Gaussian}


def get(identifier) -> Likelihood:
    """Returns the likelihood that a name, a config, a function or a likelihood stands for.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
        TypeError: for anything else that is not a likelihood.
    """
    if callable(identifier) and not hasattr(identifier, "log_prob"):
        return FromFunction(identifier)
    return resolve(identifier, NAMES, kind="likelihood", methods=("log_prob", "mean"))
