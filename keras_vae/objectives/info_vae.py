"""InfoVAE and WAE-MMD: the codes as a whole are drawn to the prior by a kernel."""

from keras_vae.objectives.base import Objective
from keras_vae.objectives.forward import Forward
from keras_vae.objectives.loss_weight import Follows, LossWeight, Weight
from keras_vae.objectives.mmd import MMD
from keras_vae.objectives.terms import reconstruction_and_kl
from keras_vae.saving.registry import serializable


@serializable(old="InfoVAE")
class InfoVAE(Objective):
    """loss = -E[log p(x|z)] + (1 - α)·KL + (α + λ - 1)·MMD².

    The last is the penalty `MMD`, logged as `mmd`. With α = 1 it is the MMD-VAE.

    Args:
        alpha: α in [0, 1], the weight of the mutual information of x and z: a
            number or a schedule.
        strength: λ, a number or a schedule, with α + λ at least 1.
        kernel: `"rbf"` or `"imq"`, scaled to the prior.

    Raises:
        ValueError: if an argument is out of its range.

    Reference:
        Zhao et al., "InfoVAE: balancing learning and inference in variational
        autoencoders", 2019, section 3.
    """

    alpha = LossWeight(high=1.0)
    strength = LossWeight()

    def __init__(
        self,
        alpha: Weight = 1.0,
        strength: Weight = 100.0,
        kernel: str = "rbf",
    ):
        self.alpha = alpha
        self.strength = strength
        self.kernel = kernel
        self.own_penalties = [MMD(Follows(lambda: self.alpha + self.strength - 1.0), kernel)]

    def check_weights(self, weights) -> None:
        numbers = [value for value in weights.values() if isinstance(value, float)]
        if len(numbers) == 2 and sum(numbers) < 1.0:
            raise ValueError(
                "alpha + strength must be at least 1, or the MMD would be maximized; received "
                f"alpha={weights['alpha']!r} and strength={weights['strength']!r}."
            )

    def terms(self, forward: Forward) -> dict:
        terms = reconstruction_and_kl(forward)
        loss = terms["reconstruction_loss"] + (1.0 - self.alpha) * terms["kl_loss"]
        return terms | {"loss": loss}


@serializable(old="WAE")
class WAE(InfoVAE):
    """loss = -E[log p(x|z)] + λ·MMD²: the Wasserstein autoencoder with an MMD penalty.

    An `InfoVAE` of α = 1 with the paper's kernel. With `likelihood="gaussian"`
    the reconstruction is half the paper's squared error, and a constant.

    Args:
        strength: λ, a number or a schedule. With that likelihood it is half the
            paper's λ: 10 here is 20 there.
        kernel: `"imq"` or `"rbf"`, scaled to the prior.

    Raises:
        ValueError: if an argument is out of its range.

    Reference:
        Tolstikhin et al., "Wasserstein auto-encoders", 2018, algorithm 2.
    """

    def __init__(self, strength: Weight = 10.0, kernel: str = "imq"):
        super().__init__(1.0, strength, kernel)
