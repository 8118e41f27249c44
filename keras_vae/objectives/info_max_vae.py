"""InfoMax-VAE: the mutual information of data and code is estimated and maximized."""

import math

import keras
from keras import ops

from keras_vae.backend.second_pass import second_pass
from keras_vae.networks import DenseDecoder
from keras_vae.objectives.forward import Forward
from keras_vae.objectives.loss_weight import LossWeight, Weight
from keras_vae.objectives.objective import Objective
from keras_vae.objectives.rows_that_count import rows_further_on
from keras_vae.objectives.terms import reconstruction_and_kl


@keras.saving.register_keras_serializable(package="keras_vae")
class InfoMaxVAE(Objective):
    """loss = -E[log p(x|z)] + β·KL - α·(E[t(x, z)] - E[exp(t(x, z') - 1)]).

    The last bracket is a lower bound of the mutual information of x and z,
    logged as `mutual_information`; z' is the code of another sample of the batch.
    The network t is trained by the same optimizer, as it maximizes the same bound.

    Args:
        alpha: α, a number or a schedule.
        beta: β, a number or a schedule.
        network: t, a layer from flattened x and z side by side, `(batch, n)`, to
            `(batch, 1)`. `None` makes two dense layers of 256.

    Raises:
        ValueError: if a weight is negative or not finite.

    Reference:
        Rezaabad & Vishwanath, "Learning representations by maximizing mutual
        information in variational autoencoders", 2020, section III.
    """

    term_names = ("mutual_information",)

    alpha = LossWeight()
    beta = LossWeight()

    def __init__(
        self,
        alpha: Weight = 1.0,
        beta: Weight = 1.0,
        network: keras.layers.Layer | None = None,
    ):
        self.alpha = alpha
        self.beta = beta
        self.network = network

    def build(self, input_features, latent_dim):
        self.network = self.network or dense_critic(256, 2)
        if not self.network.built:
            self.network.build((None, math.prod(input_features) + latent_dim))

    def terms(self, forward: Forward) -> dict:
        terms = reconstruction_and_kl(forward)
        x, z = ops.cast(forward.x, "float32"), forward.z
        x = ops.reshape(x, (-1, math.prod(x.shape[1:])))
        z = z[0] if len(z.shape) == 3 else z
        joint = self.network(_side_by_side(x, z), training=forward.training)
        # Batches are shuffled: the neighbour's code is independent of x.
        neighbour = rows_further_on(forward.sample_weight, -1)[:, 0]
        pairs = _side_by_side(x, ops.take(z, neighbour, axis=0))
        apart = second_pass(self.network, pairs, training=forward.training)
        joint, apart = (ops.cast(output[:, 0], "float32") for output in (joint, apart))
        # Linear from exp(10) on: the exp of a critic gone astray would never come back.
        growth = ops.exp(ops.minimum(apart, 10.0)) * (1.0 + ops.relu(apart - 10.0))
        information = joint - growth / math.e
        step = forward.step
        loss = terms["reconstruction_loss"] + self.at("beta", step) * terms["kl_loss"]
        loss = loss - self.at("alpha", step) * information
        return terms | {"loss": loss, "mutual_information": information}


def _side_by_side(x, z):
    return ops.concatenate([x, z], axis=-1)


def dense_critic(units: int, n_layers: int) -> DenseDecoder:
    """Returns dense layers with leaky ReLUs to one number, float32 whatever the dtype policy."""
    return DenseDecoder(1, (units,) * n_layers, "leaky_relu", dtype="float32")
