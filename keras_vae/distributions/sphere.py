"""The uniform distribution on the unit sphere."""

import math

from keras import ops

from keras_vae.backend import normal
from keras_vae.distributions.base import Distribution
from keras_vae.typing import Tensor


def log_area(d: int) -> float:
    """Returns log of the area of the unit sphere in d dimensions: 2π^(d/2) / Γ(d/2)."""
    return math.log(2.0) + 0.5 * d * math.log(math.pi) - math.lgamma(0.5 * d)


class UniformOnSphere(Distribution):
    """p(z) = 1 / area over unit vectors.

    Args:
        event_shape: the shape of one draw, `(latent_dim,)`.
    """

    support = "sphere"
    closed_forms = frozenset({"mean", "std"})

    def __init__(self, event_shape: tuple[int, ...]):
        self.event_shape = tuple(event_shape)

    def _log_prob(self, z):
        return ops.zeros_like(z[..., 0]) - log_area(int(z.shape[-1]))

    def _sample(self, n, seed):
        return ops.normalize(normal((n, *self.event_shape), seed), axis=-1)

    def mean(self) -> Tensor:
        return ops.zeros(self.event_shape)

    def std(self) -> Tensor:
        return ops.full(self.event_shape, self.event_shape[-1] ** -0.5)
