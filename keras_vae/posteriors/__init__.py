"""Posteriors of the latent code: q(z|x), each a distribution and the head that gives its params."""

from keras_vae.distributions.normal import DiagonalNormal, FullCovarianceNormal
from keras_vae.distributions.transformed import FlowPosterior
from keras_vae.distributions.von_mises_fisher import VonMisesFisher
from keras_vae.posteriors.base import Posterior, PosteriorHead
from keras_vae.posteriors.diagonal_normal import DiagonalNormalHead
from keras_vae.posteriors.flow_posterior import FlowHead
from keras_vae.posteriors.full_covariance_normal import FullCovarianceNormalHead
from keras_vae.posteriors.inverse_autoregressive_flow import InverseAutoregressiveFlowHead
from keras_vae.posteriors.planar_flow import PlanarFlowHead
from keras_vae.posteriors.von_mises_fisher import VonMisesFisherHead
from keras_vae.saving.identifiers import resolve

__all__ = [
    "DiagonalNormal",
    "DiagonalNormalHead",
    "FlowHead",
    "FlowPosterior",
    "FullCovarianceNormal",
    "FullCovarianceNormalHead",
    "InverseAutoregressiveFlowHead",
    "PlanarFlowHead",
    "Posterior",
    "PosteriorHead",
    "VonMisesFisher",
    "VonMisesFisherHead",
    "get",
]

NAMES = {
    "diagonal_normal": DiagonalNormalHead,
    "full_covariance_normal": FullCovarianceNormalHead,
    "inverse_autoregressive_flow": InverseAutoregressiveFlowHead,
    "planar_flow": PlanarFlowHead,
    "von_mises_fisher": VonMisesFisherHead,
}


def get(identifier) -> PosteriorHead:
    """Returns the head that a name, a config or a head stands for.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
        TypeError: for anything else that is not a head.
    """
    return resolve(identifier, NAMES, PosteriorHead, kind="posterior")
