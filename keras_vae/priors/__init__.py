"""Priors of the latent code: p(z)."""

from keras_vae.distributions.tfp import is_distribution
from keras_vae.priors.base import Prior as Prior
from keras_vae.priors.conditional import ConditionalPrior as ConditionalPrior
from keras_vae.priors.conditional import PriorGiven as PriorGiven
from keras_vae.priors.conditional_mixture import ConditionalMixture as ConditionalMixture
from keras_vae.priors.conditional_normal import ConditionalNormal as ConditionalNormal
from keras_vae.priors.conditional_real_nvp import ConditionalRealNVP as ConditionalRealNVP
from keras_vae.priors.from_distribution import FromDistribution as FromDistribution
from keras_vae.priors.gaussian_mixture import GaussianMixture as GaussianMixture
from keras_vae.priors.real_nvp import RealNVP as RealNVP
from keras_vae.priors.standard_normal import StandardNormal as StandardNormal
from keras_vae.priors.two_stage import TwoStage as TwoStage
from keras_vae.priors.uniform_on_sphere import UniformOnSphere as UniformOnSphere
from keras_vae.priors.vamp import VampPrior as VampPrior
from keras_vae.saving.identifiers import by_name, resolve

NAMES = by_name(globals(), Prior)


def get(identifier) -> Prior:
    """Returns the prior that a name, a config, a TFP distribution or a prior stands for.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
        TypeError: for anything else that is not a prior.
    """
    if is_distribution(identifier):
        return FromDistribution(identifier)
    return resolve(identifier, NAMES, Prior)
