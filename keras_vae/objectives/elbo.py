"""ELBO: the evidence lower bound, with a weight β on the KL."""

from collections.abc import Callable

from keras_vae.objectives.base import Objective
from keras_vae.objectives.forward import Forward
from keras_vae.objectives.loss_weight import LossWeight, Weight
from keras_vae.objectives.terms import kl_divergence
from keras_vae.saving.registry import serializable


@serializable(old="ELBO")
class ELBO(Objective):
    """loss = -E[log p(x|z)] + β·KL(q(z|x) ‖ p(z)), in nats per sample.

    With β = 1 it is the negative evidence lower bound; any other β weighs the
    KL against the reconstruction and is no bound for β < 1.

    Args:
        beta: β, a number, a `LearningRateSchedule` of the training step or a
            `keras.Variable`. A value that changes is logged as `beta`.
        kl_divergence: a function `(posterior, prior, z)` to the KL per sample,
            of shape `(batch,)`, in place of `keras_vae.objectives.kl_divergence`.

    Raises:
        ValueError: if `beta` is negative or not finite.
        TypeError: if it is none of the three.

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, equation 3;
        Higgins et al., "beta-VAE", 2017, equation 4.

    Example:
        >>> warm_up = keras.optimizers.schedules.PolynomialDecay(0.0, 5_000, 4.0)
        >>> objective = ELBO(beta=warm_up)  # from 0 to 4 over 5,000 steps
    """

    takes_grids = True

    beta = LossWeight()

    def __init__(
        self,
        beta: Weight = 1.0,
        kl_divergence: Callable = kl_divergence,
    ):
        self.beta = beta
        self.kl_divergence = kl_divergence

    @property
    def computes_by_row(self) -> bool:  # type: ignore[override]  # others have a plain attribute
        return self.kl_divergence is kl_divergence

    def terms(self, forward: Forward) -> dict:
        reconstruction, kl = forward.reconstruction_loss(), self._kl(forward)
        loss = reconstruction + self.beta * kl
        return {"loss": loss, "reconstruction_loss": reconstruction, "kl_loss": kl}

    def _kl(self, forward):
        if self.kl_divergence is kl_divergence:
            return forward.kl()
        kl = self.kl_divergence(forward.posterior, forward.prior, forward.z)
        return forward.per_sample("kl_loss", kl)
