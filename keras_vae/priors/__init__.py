"""Priors of the latent code: p(z)."""

from keras_vae.identifiers import resolve
from keras_vae.priors.gaussian_mixture import GaussianMixture
from keras_vae.priors.standard_normal import StandardNormal

__all__ = ["GaussianMixture", "StandardNormal", "get"]

NAMES = {"gaussian_mixture": GaussianMixture, "standard_normal": StandardNormal}


def get(identifier):
    """Returns the prior that a name, a config or a prior stands for.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
        TypeError: for anything else that is not a prior.
    """
    return resolve(identifier, NAMES, kind="prior", methods=("log_prob", "sample"))
