"""Covariance: DIP-VAE's penalty on the codes' covariance over the data."""

from keras import ops

from keras_vae.backend import sum_over_replicas
from keras_vae.objectives.loss_part import check_has
from keras_vae.objectives.loss_weight import LossWeight, Weight
from keras_vae.objectives.penalty import Penalty
from keras_vae.objectives.rows_that_count import batch_mean
from keras_vae.saving.registry import serializable
from keras_vae.validation.arguments import check_choice


@serializable()
class Covariance(Penalty):
    """λ_od·Σ_(i≠j) C_ij² + λ_d·Σ_i (C_ii - 1)²: the covariance C is drawn to the identity.

    C is estimated from the batch. Both sums, weighted, are logged as `dip_loss`.

    Args:
        kind: `"i"`, where C is the covariance of the posterior means, or `"ii"`,
            where it is that of z: the same plus the mean posterior covariance.
        off_diagonal: λ_od, a number or a schedule, as the one below.
        diagonal: λ_d; the paper takes 10·λ_od for kind I and λ_od for kind II.
        name: put before the names in the logs.

    Raises:
        ValueError: if a weight is negative or not finite, the kind is unknown,
            or the posterior has no covariance in closed form.

    Reference:
        Kumar et al., "Variational inference of disentangled latent concepts
        from unlabeled observations", 2018, equations 6 and 7.
    """

    term_names = ("dip_loss",)

    off_diagonal = LossWeight()
    diagonal = LossWeight()

    def __init__(
        self,
        kind: str = "ii",
        off_diagonal: Weight = 10.0,
        diagonal: Weight = 10.0,
        name: str | None = None,
    ):
        self.kind = check_choice("kind", kind, ("i", "ii"))
        self.off_diagonal = off_diagonal
        self.diagonal = diagonal
        self.prefix = name

    def check_posterior(self, posterior) -> None:
        check_has(self, posterior, "covariance", "needs the covariance of q(z|x)")

    def terms(self, forward) -> dict:
        weight, mean = forward.sample_weight, forward.posterior.z_mean
        mean = ops.where(weight[:, None] > 0.0, mean, 0.0)
        centered = mean - batch_mean(weight, mean)
        covariance = ops.matmul(ops.transpose(weight[:, None] * centered), centered)
        if self.kind == "ii":
            covariance = covariance + forward.posterior.mean_covariance(weight)
        covariance = sum_over_replicas(covariance)
        identity = ops.eye(mean.shape[-1])
        off_diagonal = ops.sum(ops.square(covariance * (1.0 - identity)))
        diagonal = ops.sum(ops.square((covariance - 1.0) * identity))
        loss = self.off_diagonal * off_diagonal + self.diagonal * diagonal
        return {"loss": loss, "dip_loss": loss}
