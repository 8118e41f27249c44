"""Posteriors of the latent code: q(z|x), each a distribution and the head that gives its params."""

from keras_vae.distributions.normal import DiagonalNormal as DiagonalNormal
from keras_vae.distributions.normal import FullCovarianceNormal as FullCovarianceNormal
from keras_vae.distributions.point import PointMass as PointMass
from keras_vae.distributions.transformed import FlowPosterior as FlowPosterior
from keras_vae.distributions.von_mises_fisher import VonMisesFisher as VonMisesFisher
from keras_vae.posteriors.base import Posterior as Posterior
from keras_vae.posteriors.base import PosteriorHead as PosteriorHead
from keras_vae.posteriors.diagonal_normal import DiagonalNormalHead as DiagonalNormalHead
from keras_vae.posteriors.flow_posterior import FlowHead as FlowHead
from keras_vae.posteriors.full_covariance_normal import (
    FullCovarianceNormalHead as FullCovarianceNormalHead,
)
from keras_vae.posteriors.inverse_autoregressive_flow import (
    InverseAutoregressiveFlowHead as InverseAutoregressiveFlowHead,
)
from keras_vae.posteriors.planar_flow import PlanarFlowHead as PlanarFlowHead
from keras_vae.posteriors.point import PointHead as PointHead
from keras_vae.posteriors.von_mises_fisher import VonMisesFisherHead as VonMisesFisherHead
from keras_vae.saving.identifiers import by_name, resolve

NAMES = by_name(globals(), PosteriorHead)


def get(identifier) -> PosteriorHead:
    """Returns the head that a name, a config or a head stands for.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
        TypeError: for anything else that is not a head.
    """
    return resolve(identifier, NAMES, PosteriorHead, kind="posterior")
