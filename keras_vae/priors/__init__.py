"""Priors of the latent code: p(z)."""

from keras_vae.distributions.tfp import is_distribution
from keras_vae.priors.base import Prior
from keras_vae.priors.conditional import ConditionalPrior, PriorGiven
from keras_vae.priors.conditional_mixture import ConditionalMixture
from keras_vae.priors.conditional_normal import ConditionalNormal
from keras_vae.priors.conditional_real_nvp import ConditionalRealNVP
from keras_vae.priors.from_distribution import FromDistribution
from keras_vae.priors.gaussian_mixture import GaussianMixture
from keras_vae.priors.real_nvp import RealNVP
from keras_vae.priors.standard_normal import StandardNormal
from keras_vae.priors.uniform_on_sphere import UniformOnSphere
from keras_vae.priors.vamp import VampPrior
from keras_vae.saving.identifiers import resolve

__all__ = [
    "ConditionalMixture",
    "ConditionalNormal",
    "ConditionalPrior",
    "ConditionalRealNVP",
    "FromDistribution",
    "GaussianMixture",
    "Prior",
    "PriorGiven",
    "RealNVP",
    "StandardNormal",
    "UniformOnSphere",
    "VampPrior",
    "get",
]

NAMES = {
    "conditional_mixture": ConditionalMixture,
    "conditional_normal": ConditionalNormal,
    "conditional_real_nvp": ConditionalRealNVP,
    "gaussian_mixture": GaussianMixture,
    "real_nvp": RealNVP,
    "standard_normal": StandardNormal,
    "uniform_on_sphere": UniformOnSphere,
    "vamp": VampPrior,
}


def get(identifier) -> Prior:
    """Returns the prior that a name, a config, a TFP distribution or a prior stands for.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
        TypeError: for anything else that is not a prior.
    """
    if is_distribution(identifier):
        return FromDistribution(identifier)
    return resolve(identifier, NAMES, Prior)
