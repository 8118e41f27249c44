"""Free bits: a KL below a floor costs nothing."""

import math

from keras import ops

from keras_vae import distributions
from keras_vae.objectives.base import Objective
from keras_vae.objectives.forward import Forward
from keras_vae.objectives.loss_weight import LossWeight, Weight
from keras_vae.objectives.rows_that_count import batch_mean
from keras_vae.saving.registry import serializable


@serializable(old="FreeBits")
class FreeBits(Objective):
    """loss = -E[log p(x|z)] + β·Σ_d max(λ, KL_d), KL_d the batch mean of dimension d.

    A dimension of less than λ nats gains nothing by saying even less, so that it
    does not collapse. Where the KL has no closed form per dimension (flows, the
    sphere, learned priors) the whole code is one group, of λ·latent_dim nats.
    The sum of the floored KLs is logged as `free_bits_kl`.

    Args:
        free_bits: λ, nats per dimension: a number or a schedule.
        beta: β, a number or a schedule.

    Raises:
        ValueError: if a weight is negative or not finite.

    Reference:
        Kingma et al., "Improving variational inference with inverse
        autoregressive flow", 2016, appendix C.8.
    """

    term_names = ("free_bits_kl",)
    computes_by_row = True
    takes_grids = True

    free_bits = LossWeight()
    beta = LossWeight()

    def __init__(
        self,
        free_bits: Weight = 0.25,
        beta: Weight = 1.0,
    ):
        self.free_bits = free_bits
        self.beta = beta

    def terms(self, forward: Forward) -> dict:
        f, floor = forward, self.free_bits
        prior = f.prior.distribution()  # once, as a VampPrior's calls the encoder
        kl = distributions.kl_divergence(f.posterior, prior, f.z, f.log_qz)
        kl = f.per_sample("kl_loss", kl)
        if distributions.has_kl_per_dimension(f.posterior, prior):
            groups = distributions.kl_per_dimension(f.posterior, prior)
        else:
            groups, floor = kl[:, None], floor * math.prod(f.posterior.event_shape)
        floored = ops.sum(ops.maximum(batch_mean(f.sample_weight, groups), floor))
        reconstruction = f.reconstruction_loss()
        return {
            "loss": reconstruction + self.beta * floored,
            "reconstruction_loss": reconstruction,
            "kl_loss": kl,
            "free_bits_kl": floored,
        }
