"""Distributions: log-densities, draws and divergences, without weights."""

from keras_vae.distributions.base import Distribution, NoClosedFormError
from keras_vae.distributions.kl import (
    has_closed_form,
    has_kl_per_dimension,
    kl_divergence,
    kl_per_dimension,
    register_kl,
    register_kl_per_dimension,
)
from keras_vae.distributions.marginal import Marginal
from keras_vae.distributions.mixture import Mixture
from keras_vae.distributions.mixture_of_normals import MixtureOfNormals
from keras_vae.distributions.normal import DiagonalNormal, FullCovarianceNormal, StandardNormal
from keras_vae.distributions.point import PointMass
from keras_vae.distributions.reparameterized import Reparameterized
from keras_vae.distributions.sphere import UniformOnSphere
from keras_vae.distributions.student_t import StudentT
from keras_vae.distributions.transformed import FlowPosterior, Transformed
from keras_vae.distributions.von_mises_fisher import VonMisesFisher

__all__ = [
    "DiagonalNormal",
    "Distribution",
    "FlowPosterior",
    "FullCovarianceNormal",
    "Marginal",
    "Mixture",
    "MixtureOfNormals",
    "NoClosedFormError",
    "PointMass",
    "Reparameterized",
    "StandardNormal",
    "StudentT",
    "Transformed",
    "UniformOnSphere",
    "VonMisesFisher",
    "has_closed_form",
    "has_kl_per_dimension",
    "kl_divergence",
    "kl_per_dimension",
    "register_kl",
    "register_kl_per_dimension",
]
