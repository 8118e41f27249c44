"""Free bits: a KL below a floor costs nothing."""

from keras import ops

from keras_vae import distributions
from keras_vae.objectives.base import Objective
from keras_vae.objectives.forward import Forward
from keras_vae.objectives.loss_weight import LossWeight, Weight
from keras_vae.objectives.rows_that_count import batch_mean
from keras_vae.objectives.terms import reconstruction_and_kl
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
        terms = reconstruction_and_kl(forward)
        floor = self.free_bits
        posterior, prior = forward.posterior, forward.prior.distribution()
        if distributions.has_kl_per_dimension(posterior, prior):
            kl = distributions.kl_per_dimension(posterior, prior)
        else:
            kl, floor = terms["kl_loss"][:, None], floor * forward.z.shape[-1]
        floored = ops.sum(ops.maximum(batch_mean(forward.sample_weight, kl), floor))
        loss = terms["reconstruction_loss"] + self.beta * floored
        return terms | {"loss": loss, "free_bits_kl": floored}
