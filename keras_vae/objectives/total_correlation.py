"""TotalCorrelation: FactorVAE's penalty on what the latent dimensions say of one another."""

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
class TotalCorrelation(Penalty):
    """strength·E[log D(z) - log(1 - D(z))], an estimate of KL(q(z) ‖ Π_d q(z_d)) in nats.

    The discriminator D tells codes from codes whose dimensions come from different
    samples; the estimate is logged as `total_correlation`. D is trained in the same
    step by the same optimizer, on its own cross-entropy, logged as
    `discriminator_loss`, which is no part of `loss` and reaches no weight but its own.

    Args:
        strength: the weight, a number or a schedule.
        network: D, a layer from codes `(batch, latent_dim)` to a logit
            `(batch, 1)`. `None` makes four dense layers of 256.
        name: put before the names in the logs.

    Raises:
        ValueError: if the weight is negative or not finite, or the posterior lives
            on the sphere, which permuted codes leave.
        TypeError: if the network is no layer.

    Reference:
        Kim & Mnih, "Disentangling by factorising", 2018, equations 2 and 3.

    Example:
        >>> objective = ELBO(beta=2.0) + TotalCorrelation(6.0)
    """

    term_names = ("total_correlation", "discriminator_loss")

    def __init__(
        self,
        strength: Weight = 10.0,
        network: keras.layers.Layer | None = None,
        name: str | None = None,
    ):
        super().__init__(strength, name)
        self.network = critic(network, 256, 4)

    def check_posterior(self, posterior) -> None:
        if posterior.support == "sphere":
            raise ValueError(
                "TotalCorrelation permutes the dimensions of codes, which leaves the sphere. Take "
                'a posterior on R^d, such as "diagonal_normal".'
            )

    def build(self, x_shape, z_shape) -> None:
        if not self.network.built:
            self.network.build(z_shape)

    def terms(self, forward) -> dict:
        z = one_draw(forward.z)
        codes = ops.stop_gradient(z)
        weights = rows_of_all(forward.sample_weight)
        apart = own_rows(_permute_dimensions(rows_of_all(codes), weights), codes)
        logit = score(self.network(codes, training=forward.training))
        logit_apart = self._again(apart, forward)
        total_correlation = self._again(z, forward, frozen=True)
        discriminator_loss = 0.5 * (ops.softplus(-logit) + ops.softplus(logit_apart))
        # Of value 0: only its gradient, to the discriminator, counts.
        for_discriminator = discriminator_loss - ops.stop_gradient(discriminator_loss)
        return {
            "loss": self.strength * total_correlation + for_discriminator,
            "total_correlation": total_correlation,
            "discriminator_loss": discriminator_loss,
        }

    def _again(self, z, forward, frozen=False):
        return score(second_pass(self.network, z, training=forward.training, frozen=frozen))


def _permute_dimensions(z, sample_weight):
    """Takes dimension d of each code from the sample d + 1 places on of those that count.

    Batches are shuffled, so that these are independent, and different samples
    if the batch is larger than `latent_dim`.
    """
    shift = ops.cumsum(ops.ones_like(z, dtype="int32"), axis=1)
    return ops.take_along_axis(z, rows_further_on(sample_weight, shift), axis=0)
