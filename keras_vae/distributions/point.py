"""A point mass: a code without a distribution around it."""

from keras import ops

from keras_vae.distributions.reparameterized import Reparameterized
from keras_vae.typing import Tensor


class PointMass(Reparameterized):
    """All mass at z_mean: each draw is z_mean. It has no density, and so no KL.

    Args:
        z_mean: shape `(batch, *event_shape)`.
    """

    closed_forms = frozenset({"mean", "mode", "std", "covariance"})
    has_density = False
    knows_any_z = False

    def __init__(self, z_mean):
        self.z_mean = ops.convert_to_tensor(z_mean, "float32")
        self.event_shape = tuple(self.z_mean.shape[1:])

    def mean(self) -> Tensor:
        """Returns `z_mean`, of shape `(batch, *event_shape)`."""
        return self.z_mean

    def mode(self) -> Tensor:
        return self.z_mean

    def std(self) -> Tensor:
        return ops.zeros_like(self.z_mean)

    def covariance(self) -> Tensor:
        zeros = ops.zeros_like(self.z_mean)
        return ops.expand_dims(zeros, -1) * ops.expand_dims(zeros, -2)

    def from_base(self, z_0) -> tuple[Tensor, Tensor]:
        """Returns z_mean, once for each draw, and the log-density there, which is infinite."""
        z = ops.broadcast_to(self.z_mean, ops.shape(z_0))
        return z, self.sum_over_event(ops.full_like(z, float("inf")))

    def _log_prob(self, z):
        raise ValueError(
            "A PointMass has no density, so that log q(z|x), the KL and the ELBO are not defined. "
            "Take an objective without a KL, keras_vae.objectives.RAE(), or "
            'posterior="diagonal_normal".'
        )
