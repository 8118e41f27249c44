"""Likelihoods of the data given a latent code: log p(x|z)."""

import keras

from keras_vae.likelihoods.base import Likelihood as Likelihood
from keras_vae.likelihoods.bernoulli import Bernoulli as Bernoulli
from keras_vae.likelihoods.categorical import Categorical as Categorical
from keras_vae.likelihoods.continuous_bernoulli import ContinuousBernoulli as ContinuousBernoulli
from keras_vae.likelihoods.discretized_logistic import DiscretizedLogistic as DiscretizedLogistic
from keras_vae.likelihoods.discretized_logistic_mixture import (
    DiscretizedLogisticMixture as DiscretizedLogisticMixture,
)
from keras_vae.likelihoods.from_distribution import FromDistribution as FromDistribution
from keras_vae.likelihoods.from_function import FromFunction as FromFunction
from keras_vae.likelihoods.gaussian import Gaussian as Gaussian
from keras_vae.likelihoods.laplace import Laplace as Laplace
from keras_vae.likelihoods.masked import Masked as Masked
from keras_vae.likelihoods.negative_binomial import NegativeBinomial as NegativeBinomial
from keras_vae.likelihoods.poisson import Poisson as Poisson
from keras_vae.likelihoods.student_t import StudentT as StudentT
from keras_vae.saving.identifiers import by_name, resolve

NAMES = by_name(globals(), Likelihood)


def get(identifier) -> Likelihood:
    """Returns the likelihood that a name, a config, a function or a likelihood stands for.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
        TypeError: for anything else that is not a likelihood.
    """
    if callable(identifier) and not isinstance(identifier, (type, keras.layers.Layer)):
        return FromFunction(identifier)
    return resolve(identifier, NAMES, Likelihood)
