"""Objectives: the loss that training minimizes and its named terms."""

from keras_vae.objectives.base import Objective
from keras_vae.objectives.beta_tc_vae import BetaTCVAE
from keras_vae.objectives.capacity import Capacity
from keras_vae.objectives.classifier import Classifier
from keras_vae.objectives.classifying import Classifying
from keras_vae.objectives.covariance import Covariance
from keras_vae.objectives.dip_vae import DIPVAE
from keras_vae.objectives.elbo import ELBO
from keras_vae.objectives.factor_vae import FactorVAE
from keras_vae.objectives.forward import Forward
from keras_vae.objectives.free_bits import FreeBits
from keras_vae.objectives.importance_weighted import IWAE
from keras_vae.objectives.importance_weighted_variants import CIWAE, MIWAE, PIWAE
from keras_vae.objectives.info_max_vae import InfoMaxVAE
from keras_vae.objectives.info_vae import WAE, InfoVAE
from keras_vae.objectives.loss_terms import LossTerms
from keras_vae.objectives.loss_weight import LossWeight
from keras_vae.objectives.mmd import MMD
from keras_vae.objectives.mutual_information import MutualInformation
from keras_vae.objectives.penalty import Penalty
from keras_vae.objectives.semi_supervised import SemiSupervised
from keras_vae.objectives.terms import kl_divergence
from keras_vae.objectives.total_correlation import TotalCorrelation
from keras_vae.saving.identifiers import resolve

__all__ = [
    "CIWAE",
    "DIPVAE",
    "ELBO",
    "IWAE",
    "MIWAE",
    "MMD",
    "PIWAE",
    "WAE",
    "BetaTCVAE",
    "Capacity",
    "Classifier",
    "Classifying",
    "Covariance",
    "FactorVAE",
    "Forward",
    "FreeBits",
    "InfoMaxVAE",
    "InfoVAE",
    "LossTerms",
    "LossWeight",
    "MutualInformation",
    "Objective",
    "Penalty",
    "SemiSupervised",
    "TotalCorrelation",
    "get",
    "kl_divergence",
]

NAMES = {
    "beta_tc_vae": BetaTCVAE,
    "capacity": Capacity,
    "ciwae": CIWAE,
    "dip_vae": DIPVAE,
    "elbo": ELBO,
    "factor_vae": FactorVAE,
    "free_bits": FreeBits,
    "info_max_vae": InfoMaxVAE,
    "info_vae": InfoVAE,
    "iwae": IWAE,
    "miwae": MIWAE,
    "piwae": PIWAE,
    "wae": WAE,
}


def get(identifier) -> Objective:
    """Returns the objective that a name, a config or an objective stands for.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
        TypeError: for anything else that is not an objective.
    """
    if isinstance(identifier, Penalty):
        raise TypeError(
            f"{type(identifier).__name__} is a penalty, which is added to a bound: "
            f"keras_vae.objectives.ELBO() + {type(identifier).__name__}(...)."
        )
    return resolve(identifier, NAMES, Objective)


def from_arguments(objective, beta, kl_divergence):
    """Returns the objective, or the ELBO that `beta` and `kl_divergence` are short for.

    Raises:
        ValueError: if both an objective and one of its arguments are given.
    """
    arguments = {"beta": beta, "kl_divergence": kl_divergence}
    arguments = {name: value for name, value in arguments.items() if value is not None}
    if objective is None:
        return ELBO(**arguments)
    if arguments:
        raise ValueError(
            f"Give either objective or {' and '.join(arguments)}, not both; for example "
            "objective=keras_vae.objectives.ELBO(beta=4.0)."
        )
    return get(objective)
