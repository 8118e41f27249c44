"""Likelihoods of the data given a latent code: log p(x|z)."""

import keras

from keras_vae.likelihoods.base import Likelihood
from keras_vae.likelihoods.bernoulli import Bernoulli
from keras_vae.likelihoods.categorical import Categorical
from keras_vae.likelihoods.continuous_bernoulli import ContinuousBernoulli
from keras_vae.likelihoods.discretized_logistic import DiscretizedLogistic
from keras_vae.likelihoods.discretized_logistic_mixture import DiscretizedLogisticMixture
from keras_vae.likelihoods.from_distribution import FromDistribution
from keras_vae.likelihoods.from_function import FromFunction
from keras_vae.likelihoods.gaussian import Gaussian
from keras_vae.likelihoods.laplace import Laplace
from keras_vae.likelihoods.masked import Masked
from keras_vae.likelihoods.negative_binomial import NegativeBinomial
from keras_vae.likelihoods.poisson import Poisson
from keras_vae.likelihoods.student_t import StudentT
from keras_vae.saving.identifiers import resolve

__all__ = [
    "Bernoulli",
    "Categorical",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "FromDistribution",
    "FromFunction",
    "Gaussian",
    "Laplace",
    "Likelihood",
    "Masked",
    "NegativeBinomial",
    "Poisson",
    "StudentT",
    "get",
]

NAMES = {
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "continuous_bernoulli": ContinuousBernoulli,
    "discretized_logistic": DiscretizedLogistic,
    "discretized_logistic_mixture": DiscretizedLogisticMixture,
    "gaussian": Gaussian,
    "laplace": Laplace,
    "negative_binomial": NegativeBinomial,
    "poisson": Poisson,
    "student_t": StudentT,
}


def get(identifier) -> Likelihood:
    """Returns the likelihood that a name, a config, a function or a likelihood stands for.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
        TypeError: for anything else that is not a likelihood.
    """
    if callable(identifier) and not isinstance(identifier, (type, keras.layers.Layer)):
        return FromFunction(identifier)
    return resolve(identifier, NAMES, Likelihood)
