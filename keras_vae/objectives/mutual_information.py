"""MutualInformation: InfoMax-VAE's reward for what the code says of the data."""

import math

import keras
from keras import ops

from keras_vae.backend.replicas import own_rows, rows_of_all
from keras_vae.backend.second_pass import second_pass
from keras_vae.objectives.critics import critic, one_draw, score
from keras_vae.objectives.loss_weight import Weight
from keras_vae.objectives.penalty import Penalty
from keras_vae.objectives.rows_that_count import rows_further_on
from keras_vae.saving.registry import serializable


@serializable()
class MutualInformation(Penalty):
    """-strength·(E[t(x, z)] - E[exp(t(x, z') - 1)]): the mutual information is maximized.

    The bracket is a lower bound of the mutual information of x and z in nats,
    logged as `mutual_information`; z' is the code of another sample of the batch.
    The network t is trained by the same optimizer, as it maximizes the same bound.

    Args:
        strength: the weight, a number or a schedule.
        network: t, a layer from flattened x and z side by side, `(batch, n)`, to
            `(batch, 1)`. `None` makes two dense layers of 256.
        name: put before the names in the logs.

    Raises:
        ValueError: if the weight is negative or not finite.
        TypeError: if the network is no layer.

    Reference:
        Rezaabad & Vishwanath, "Learning representations by maximizing mutual
        information in variational autoencoders", 2020, section III.
    """

    term_names = ("mutual_information",)

    def __init__(
        self,
        strength: Weight = 1.0,
        network: keras.layers.Layer | None = None,
        name: str | None = None,
    ):
        super().__init__(strength, name)
        self.network = critic(network, 256, 2)

    def build(self, x_shape, z_shape) -> None:
        if not self.network.built:
            self.network.build((None, math.prod(x_shape[1:]) + z_shape[-1]))

    def terms(self, forward) -> dict:
        x, z = ops.cast(forward.x, "float32"), one_draw(forward.z)
        x = ops.reshape(x, (-1, math.prod(x.shape[1:])))
        joint = score(self.network(_side_by_side(x, z), training=forward.training))
        # Batches are shuffled: the neighbour's code is independent of x.
        neighbour = rows_further_on(rows_of_all(forward.sample_weight), -1)[:, 0]
        other_z = ops.take(rows_of_all(z), own_rows(neighbour, z), axis=0)
        pairs = _side_by_side(x, other_z)
        apart = score(second_pass(self.network, pairs, training=forward.training))
        # Linear from exp(10) on: the exp of a critic gone astray would never come back.
        growth = ops.exp(ops.minimum(apart, 10.0)) * (1.0 + ops.relu(apart - 10.0))
        information = joint - growth / math.e
        return {"loss": -self.strength * information, "mutual_information": information}


def _side_by_side(x, z):
    return ops.concatenate([x, z], axis=-1)
