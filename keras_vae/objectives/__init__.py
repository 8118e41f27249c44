"""Objectives: the loss that training minimizes and its named terms."""

from keras_vae.objectives.base import Objective as Objective
from keras_vae.objectives.beta_tc_vae import BetaTCVAE as BetaTCVAE
from keras_vae.objectives.capacity import Capacity as Capacity
from keras_vae.objectives.classifier import Classifier as Classifier
from keras_vae.objectives.classifying import Classifying as Classifying
from keras_vae.objectives.covariance import Covariance as Covariance
from keras_vae.objectives.dip_vae import DIPVAE as DIPVAE
from keras_vae.objectives.elbo import ELBO as ELBO
from keras_vae.objectives.factor_vae import FactorVAE as FactorVAE
from keras_vae.objectives.forward import Forward as Forward
from keras_vae.objectives.free_bits import FreeBits as FreeBits
from keras_vae.objectives.importance_weighted import IWAE as IWAE
from keras_vae.objectives.importance_weighted_variants import CIWAE as CIWAE
from keras_vae.objectives.importance_weighted_variants import MIWAE as MIWAE
from keras_vae.objectives.importance_weighted_variants import PIWAE as PIWAE
from keras_vae.objectives.info_max_vae import InfoMaxVAE as InfoMaxVAE
from keras_vae.objectives.info_vae import WAE as WAE
from keras_vae.objectives.info_vae import InfoVAE as InfoVAE
from keras_vae.objectives.loss_terms import LossTerms as LossTerms
from keras_vae.objectives.loss_weight import LossWeight as LossWeight
from keras_vae.objectives.mmd import MMD as MMD
from keras_vae.objectives.mutual_information import MutualInformation as MutualInformation
from keras_vae.objectives.penalty import Penalty as Penalty
from keras_vae.objectives.rae import RAE as RAE
from keras_vae.objectives.semi_supervised import SemiSupervised as SemiSupervised
from keras_vae.objectives.terms import kl_divergence as kl_divergence
from keras_vae.objectives.total_correlation import TotalCorrelation as TotalCorrelation
from keras_vae.objectives.trimmed import Trimmed as Trimmed
from keras_vae.saving.identifiers import by_name, resolve

NAMES = by_name(globals(), Objective)


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
