"""FlowHead: base of the heads of diagonal normals carried through an invertible map."""

import abc

from keras_vae.distributions.transformed import FlowPosterior
from keras_vae.posteriors.base import PosteriorHead
from keras_vae.typing import Tensor


class FlowHead(PosteriorHead):
    """Base of the heads of flow posteriors.

    A subclass builds and calls `base_head` (a `DiagonalNormalHead`) and what
    gives `flow_params`, and defines `flow`.
    """

    distribution_class = FlowPosterior
    param_names = ("z_mean", "base_mean", "base_log_var", "flow_params")
    draw_names = ("z_log_prob", "z")

    @abc.abstractmethod
    def flow(self, z_0, flow_params) -> tuple[Tensor, Tensor]:
        """Maps z_0 to z.

        Args:
            z_0: shape `(batch, latent_dim)` or `(n_samples, batch, latent_dim)`.
            flow_params: what the flow takes of x.

        Returns:
            z of the shape of `z_0`, and log |det ∂z/∂z_0|, of that shape
            without the last axis.
        """

    def with_flow_params(self, base: dict, flow_params) -> dict:
        """Returns the parameters in the order of `param_names`."""
        z_mean, _ = self.flow(base["z_mean"], flow_params)
        values = (z_mean, base["z_mean"], base["z_log_var"], flow_params)
        return dict(zip(self.param_names, values, strict=True))

    def distribution(self, outputs) -> FlowPosterior:
        arguments = [*(outputs[name] for name in self.param_names), self.flow]
        return FlowPosterior(*arguments)
