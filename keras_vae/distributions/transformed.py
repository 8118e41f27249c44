"""Distributions carried through an invertible map: normalizing flows."""

from collections.abc import Callable
from typing import Self

from keras_vae.distributions.base import Distribution
from keras_vae.distributions.normal import DiagonalNormal
from keras_vae.distributions.reparameterized import Reparameterized
from keras_vae.typing import Tensor


class Transformed(Distribution):
    """z = f(z_0), z_0 from a base, where both f and its inverse are known.

    Args:
        base: the distribution of z_0.
        forward: f, from z_0 to z.
        inverse: from z to z_0 and log |det ∂z_0/∂z|.
    """

    def __init__(self, base: Distribution, forward: Callable, inverse: Callable):
        self.base = base
        self.forward = forward
        self.inverse = inverse
        self.event_shape = base.event_shape

    def _log_prob(self, z):
        z_0, log_det = self.inverse(z)
        return self.base.log_prob(z_0) + log_det

    def _sample(self, n, seed):
        return self.forward(self.base.sample(n, seed))


class FlowPosterior(Reparameterized):
    """z = f(z_0; x), z_0 ~ N(base_mean, exp(base_log_var)), the inverse of f unknown.

    log q(z|x) = log q_0(z_0|x) - log |det ∂f/∂z_0| is known for the posterior's
    own draws, where z_0 is known; another z would need the inverse of f.

    Args:
        z_mean: f of the base's mean, of shape `(batch, latent_dim)`.
        base_mean, base_log_var: the base, of the same shape.
        flow_params: what f takes of x, with the batch as first axis.
        flow: f, from `(z_0, flow_params)` to z and log |det ∂f/∂z_0|.

    Reference:
        Rezende & Mohamed, "Variational inference with normalizing flows", 2015,
        equation 13.
    """

    param_names = ("z_mean", "base_mean", "base_log_var", "flow_params")
    knows_any_z = False

    def __init__(self, z_mean, base_mean, base_log_var, flow_params, flow: Callable):
        self.z_mean = z_mean
        self.base_mean, self.base_log_var = base_mean, base_log_var
        self.base_distribution = DiagonalNormal(base_mean, base_log_var)
        self.event_shape = self.base_distribution.event_shape
        self.flow_params = flow_params
        self.flow = flow

    def base(self) -> tuple[Tensor, Tensor]:
        return self.base_distribution.base()

    def from_base(self, z_0) -> tuple[Tensor, Tensor]:
        z, log_det = self.flow(z_0, self.flow_params)
        return z, self.base_distribution.log_prob(z_0) - log_det

    def map(self, function) -> Self:
        params = (function(getattr(self, name)) for name in self.param_names)
        arguments = [*params, self.flow]
        return type(self)(*arguments)

    def _log_prob(self, z):
        raise ValueError(
            "A flow posterior knows log q(z|x) of its own draws only, as another z would "
            "have to be sent backwards through the flow. Take z and its log-probability "
            "from sample_and_log_prob, and that of the draw of a step, in an objective, from "
            "forward.log_posterior()."
        )
