"""FactorVAE: the total correlation is estimated by a discriminator and minimized."""

import keras
from keras import ops

from keras_vae.backend.second_pass import second_pass
from keras_vae.objectives.forward import Forward
from keras_vae.objectives.info_max_vae import dense_critic
from keras_vae.objectives.loss_weight import LossWeight, Weight
from keras_vae.objectives.objective import Objective
from keras_vae.objectives.rows_that_count import rows_further_on
from keras_vae.objectives.terms import reconstruction_and_kl


@keras.saving.register_keras_serializable(package="keras_vae")
class FactorVAE(Objective):
    """loss = -E[log p(x|z)] + β·KL + γ·E[log D(z) - log(1 - D(z))].

    D tells codes from codes whose dimensions come from different samples; the
    last term estimates the total correlation and is logged as
    `total_correlation`. D is trained in the same step by the same optimizer, on
    its own cross-entropy, logged as `discriminator_loss`, which is no part of
    `loss` and reaches no weight but its own.

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

    term_names = ("total_correlation", "discriminator_loss")

    gamma = LossWeight()
    beta = LossWeight()

    def __init__(
        self,
        gamma: Weight = 10.0,
        beta: Weight = 1.0,
        network: keras.layers.Layer | None = None,
    ):
        self.gamma = gamma
        self.beta = beta
        self.network = network

    def check_posterior(self, posterior):
        if posterior.support == "sphere":
            raise ValueError(
                "FactorVAE permutes the dimensions of codes, which leaves the sphere. Take a "
                'posterior on R^d, such as "diagonal_normal".'
            )

    def build(self, input_features, latent_dim):
        self.network = self.network or dense_critic(256, 4)
        if not self.network.built:
            self.network.build((None, latent_dim))

    def terms(self, forward: Forward) -> dict:
        terms = reconstruction_and_kl(forward)
        z = forward.z[0] if len(forward.z.shape) == 3 else forward.z
        codes = ops.stop_gradient(z)
        apart = _permute_dimensions(codes, forward.sample_weight)
        logit = _logit(self.network(codes, training=forward.training))
        logit_apart = self._again(apart, forward)
        total_correlation = self._again(z, forward, frozen=True)
        discriminator_loss = 0.5 * (ops.softplus(-logit) + ops.softplus(logit_apart))
        step = forward.step
        loss = terms["reconstruction_loss"] + self.at("beta", step) * terms["kl_loss"]
        loss = loss + self.at("gamma", step) * total_correlation
        # Of value 0: only its gradient, to the discriminator, counts.
        loss = loss + discriminator_loss - ops.stop_gradient(discriminator_loss)
        return terms | {
            "loss": loss,
            "total_correlation": total_correlation,
            "discriminator_loss": discriminator_loss,
        }

    def _again(self, z, forward, frozen=False):
        return _logit(second_pass(self.network, z, training=forward.training, frozen=frozen))


def _logit(output):
    # float32 whatever the dtype policy of the network.
    return ops.cast(output[:, 0], "float32")


def _permute_dimensions(z, sample_weight):
    """Takes dimension d of each code from the sample d + 1 places on of those that count.

    Batches are shuffled, so that these are independent, and different samples
    if the batch is larger than `latent_dim`.
    """
    shift = ops.cumsum(ops.ones_like(z, dtype="int32"), axis=1)
    return ops.take_along_axis(z, rows_further_on(sample_weight, shift), axis=0)
