"""InfoMax-VAE: the mutual information of data and code is estimated and maximized."""

import keras

from keras_vae.objectives.elbo import ELBO
from keras_vae.objectives.loss_weight import Follows, LossWeight, Weight
from keras_vae.objectives.mutual_information import MutualInformation
from keras_vae.saving.registry import serializable


@serializable(old="InfoMaxVAE")
class InfoMaxVAE(ELBO):
    """loss = -E[log p(x|z)] + β·KL - α·(E[t(x, z)] - E[exp(t(x, z') - 1)]).

    An ELBO with the penalty `MutualInformation`, which says what t is, how it is
    trained and what is logged.

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

    alpha = LossWeight()

    def __init__(
        self,
        alpha: Weight = 1.0,
        beta: Weight = 1.0,
        network: keras.layers.Layer | None = None,
    ):
        super().__init__(beta)
        self.alpha = alpha
        penalty = MutualInformation(Follows(lambda: self.alpha), network)
        self.network = penalty.network
        self.own_penalties = [penalty]
