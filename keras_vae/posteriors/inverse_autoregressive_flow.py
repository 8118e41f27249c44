"""Inverse autoregressive flow posterior: z ← σ·z + (1 - σ)·m, σ and m from z before d and x."""

import keras
from keras import ops

from keras_vae.networks.autoregressive import AutoregressiveNetwork
from keras_vae.posteriors.diagonal_normal import DiagonalNormalHead
from keras_vae.posteriors.flow_posterior import FlowHead
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_count


@serializable(old="InverseAutoregressiveFlowHead")
class InverseAutoregressiveFlowHead(FlowHead):
    """A diagonal normal followed by inverse autoregressive flows.

    The order of the dimensions is reversed after each flow. The `flow_params`
    are the context h that the networks of all flows see, `(batch, context_dim)`.

    Args:
        n_flows: number of flows in sequence.
        units: width of each hidden layer of a flow's network.
        context_dim: size of h.

    Raises:
        ValueError: if an argument is not positive.

    Reference:
        Kingma et al., "Improving variational inference with inverse
        autoregressive flow", 2016, section 4 and algorithm 1.
    """

    def __init__(
        self,
        n_flows: int = 2,
        units: tuple[int, ...] = (128,),
        context_dim: int = 32,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.n_flows = check_count("n_flows", n_flows)
        self.context_dim = check_count("context_dim", context_dim)
        self.networks = [AutoregressiveNetwork(units) for _ in range(self.n_flows)]
        self.units = self.networks[0].units

    def build(self, input_shape) -> None:
        self.base_head = DiagonalNormalHead()
        self.base_head.set_latent_shape(self.latent_shape)
        self.base_head.build(input_shape)
        self.context_head = keras.layers.Dense(self.context_dim, dtype="float32", name="context")
        self.context_head.build(input_shape)
        for network in self.networks:
            network.build((None, self.latent_dim), (None, self.context_dim))

    def call(self, features) -> dict[str, Tensor]:
        return self.with_flow_params(self.base_head(features), self.context_head(features))

    def flow(self, z_0, flow_params) -> tuple[Tensor, Tensor]:
        z, log_det = z_0, 0.0
        for i, network in enumerate(self.networks):
            z = ops.flip(z, axis=-1) if i else z
            m, s = ops.unstack(network(z, flow_params), axis=-2)
            # Starts near σ = 0.88, as a forget gate does: close to the identity.
            s = s + 2.0
            sigma = ops.sigmoid(s)
            z = sigma * z + (1.0 - sigma) * m
            log_det = log_det + ops.sum(ops.log_sigmoid(s), axis=-1)
        return z, log_det

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "n_flows": self.n_flows,
            "units": self.units,
            "context_dim": self.context_dim,
        }
