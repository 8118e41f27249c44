"""Capacity: the KL is held at a value, which may grow while training."""

from keras import ops

from keras_vae.objectives.base import Objective
from keras_vae.objectives.forward import Forward
from keras_vae.objectives.loss_weight import LossWeight, Weight
from keras_vae.objectives.rows_that_count import batch_mean
from keras_vae.objectives.terms import reconstruction_and_kl
from keras_vae.saving.registry import serializable


@serializable(old="Capacity")
class Capacity(Objective):
    """loss = -E[log p(x|z)] + γ·|KL - C|, KL the batch mean, in nats.

    Args:
        capacity: C, nats per sample: a number, or a schedule that lets the code
            say more and more.
        gamma: γ, a number or a schedule.

    Raises:
        ValueError: if a weight is negative or not finite.

    Reference:
        Burgess et al., "Understanding disentangling in β-VAE", 2018, equation 8.

    Example:
        >>> growing = keras.optimizers.schedules.PolynomialDecay(0.0, 100_000, 25.0)
        >>> objective = Capacity(capacity=growing, gamma=1000.0)
    """

    computes_by_row = True
    takes_grids = True

    capacity = LossWeight()
    gamma = LossWeight()

    def __init__(
        self,
        capacity: Weight = 25.0,
        gamma: Weight = 100.0,
    ):
        self.capacity = capacity
        self.gamma = gamma

    def terms(self, forward: Forward) -> dict:
        terms = reconstruction_and_kl(forward)
        mean_kl = batch_mean(forward.sample_weight, terms["kl_loss"])
        distance = ops.abs(mean_kl - self.capacity)
        loss = terms["reconstruction_loss"] + self.gamma * distance
        return terms | {"loss": loss}
