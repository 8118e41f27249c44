"""Planar flow posterior: z ← z + û tanh(wᵀz + b), with û, w and b from x."""

import keras
from keras import ops

from keras_vae.posteriors.diagonal_normal import DiagonalNormalHead
from keras_vae.posteriors.flow_posterior import FlowHead
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_count


@serializable(old="PlanarFlowHead")
class PlanarFlowHead(FlowHead):
    """A diagonal normal followed by planar flows, whose params a dense layer makes of x.

    Each flow squeezes or stretches space along one hyperplane. Its `flow_params`
    are u, w and b of each flow, of shape `(batch, n_flows * (2 * latent_dim + 1))`.

    Args:
        n_flows: number of flows in sequence.

    Raises:
        ValueError: if `n_flows` is not a positive integer.

    Reference:
        Rezende & Mohamed, "Variational inference with normalizing flows", 2015,
        equations 10 to 12 and appendix A.1 (û, which makes f invertible).
    """

    def __init__(self, n_flows: int = 4, **kwargs):
        super().__init__(**kwargs)
        self.n_flows = check_count("n_flows", n_flows)

    def build(self, input_shape) -> None:
        self.base_head = DiagonalNormalHead()
        self.base_head.set_latent_shape(self.latent_shape)
        self.base_head.build(input_shape)
        size = self.n_flows * (2 * self.latent_dim + 1)
        self.flow_head = keras.layers.Dense(size, dtype="float32", name="flow_params")
        self.flow_head.build(input_shape)

    def call(self, features) -> dict[str, Tensor]:
        return self.with_flow_params(self.base_head(features), self.flow_head(features))

    def flow(self, z_0, flow_params) -> tuple[Tensor, Tensor]:
        d, z, log_det = self.latent_dim, z_0, 0.0
        for params in ops.split(flow_params, self.n_flows, axis=-1):
            u, w, b = params[:, :d], params[:, d : 2 * d], params[:, 2 * d]
            w_dot_u = ops.sum(w * u, axis=-1, keepdims=True)
            # wᵀû = -1 + softplus(wᵀu) > -1, without which f could fold space.
            excess = ops.softplus(w_dot_u) - 1.0 - w_dot_u
            u = u + excess * w / (ops.sum(ops.square(w), axis=-1, keepdims=True) + 1e-6)
            slope = ops.tanh(ops.sum(w * z, axis=-1) + b)
            z = z + u * ops.expand_dims(slope, -1)
            stretch = 1.0 + (1.0 - ops.square(slope)) * ops.sum(w * u, axis=-1)
            log_det = log_det + ops.log(ops.maximum(stretch, 1e-6))
        return z, log_det

    def get_config(self) -> dict:
        return {**super().get_config(), "n_flows": self.n_flows}
