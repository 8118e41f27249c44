"""FactorVAE: the total correlation is estimated by a discriminator and minimized."""

import keras

from keras_vae.objectives.elbo import ELBO
from keras_vae.objectives.loss_weight import Follows, LossWeight, Weight
from keras_vae.objectives.total_correlation import TotalCorrelation
from keras_vae.saving.registry import serializable


@serializable(old="FactorVAE")
class FactorVAE(ELBO):
    """loss = -E[log p(x|z)] + β·KL + γ·E[log D(z) - log(1 - D(z))].

    An ELBO with the penalty `TotalCorrelation`, which says what D is, how it is
    trained and what is logged.

    It differs from the paper's algorithm 2 in three things: both see the same
    batch, where the paper permutes the codes of a second one; they share the
    optimizer; and D is smaller by default, 4 layers of 256 for 6 of 1,000.

    Args:
        gamma: γ, a number or a schedule.
        beta: β, a number or a schedule.
        network: D, a layer from codes `(batch, latent_dim)` to a logit
            `(batch, 1)`. `None` makes four dense layers of 256.

    Raises:
        ValueError: if a weight is negative or not finite, or the posterior lives
            on the sphere, which permuted codes leave.

    Reference:
        Kim & Mnih, "Disentangling by factorising", 2018, equations 2 and 3 and
        algorithm 2.
    """

    gamma = LossWeight()

    def __init__(
        self,
        gamma: Weight = 10.0,
        beta: Weight = 1.0,
        network: keras.layers.Layer | None = None,
    ):
        super().__init__(beta)
        self.gamma = gamma
        penalty = TotalCorrelation(Follows(lambda: self.gamma), network)
        self.network = penalty.network
        self.own_penalties = [penalty]
