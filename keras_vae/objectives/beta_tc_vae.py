"""β-TC-VAE: the KL split in three, with a weight on the total correlation."""

import math

from keras import ops

from keras_vae.backend.replicas import own_rows, rows_of_all
from keras_vae.objectives.base import Objective
from keras_vae.objectives.forward import Forward
from keras_vae.objectives.loss_part import check_has
from keras_vae.objectives.loss_weight import LossWeight, Weight
from keras_vae.objectives.rows_that_count import ranks
from keras_vae.objectives.terms import per_sample, reconstruction_and_kl
from keras_vae.saving.registry import serializable
from keras_vae.validation.arguments import check_choice, check_count


@serializable(old="BetaTCVAE")
class BetaTCVAE(Objective):
    """loss = -E[log p(x|z)] + α·I(x; z) + β·TC(z) + γ·Σ_d KL(q(z_d) ‖ p(z_d)).

    The three are logged as `mutual_information`, `total_correlation` and
    `dimension_wise_kl`; they add up to the KL. Their aggregate posterior q(z)
    is estimated from the batch, so that they depend on its size.

    Args:
        beta: β, a number or a schedule, as the two below.
        alpha: α.
        gamma: γ.
        estimator: `"stratified"` (minibatch stratified sampling, unbiased for
            q(z), not for its logarithm, which the terms hold) or `"weighted"`
            (minibatch weighted sampling, biased for both, less noisy).
        data_size: number of training samples; `None` takes it from the array
            given to `fit`, without samples of weight zero.

    Raises:
        ValueError: if a weight is negative or not finite, the estimator is
            unknown, or the posterior has no marginals in closed form.

    Reference:
        Chen et al., "Isolating sources of disentanglement in variational
        autoencoders", 2018, equations 2 and 4 and appendix C.
    """

    public_name = "beta_tc_vae"
    term_names = ("mutual_information", "total_correlation", "dimension_wise_kl")

    beta = LossWeight()
    alpha = LossWeight()
    gamma = LossWeight()

    def __init__(
        self,
        beta: Weight = 6.0,
        alpha: Weight = 1.0,
        gamma: Weight = 1.0,
        estimator: str = "stratified",
        data_size: int | None = None,
    ):
        self.beta = beta
        self.alpha = alpha
        self.gamma = gamma
        self.estimator = check_choice("estimator", estimator, ("stratified", "weighted"))
        self.data_size = None if data_size is None else check_count("data_size", data_size)

    @property
    def needs_data_size(self) -> bool:  # type: ignore[override]  # others have a plain attribute
        return self.data_size is None

    def check_posterior(self, posterior) -> None:
        check_has(self, posterior, "marginal_log_prob", "needs the marginals q(z_d|x)")

    def terms(self, forward: Forward) -> dict:
        terms = reconstruction_and_kl(forward)
        posterior, z = forward.posterior_of_all(), forward.z
        pairs = ops.expand_dims(z, -2)  # each z under the posterior of each x: (..., i, j)
        counts = rows_of_all(forward.sample_weight) > 0.0
        log_weight = self._log_weight(forward)
        log_qz = ops.where(counts, posterior.log_prob(pairs) + log_weight, -1e30)
        log_qz = ops.logsumexp(log_qz, axis=-1)
        log_marginals = posterior.marginal_log_prob(pairs) + ops.expand_dims(log_weight, -1)
        log_marginals = ops.where(counts[:, None], log_marginals, -1e30)
        log_marginals = ops.logsumexp(log_marginals, axis=-2)
        log_product = ops.sum(log_marginals, axis=-1)
        parts = {
            "mutual_information": forward.posterior.log_prob(z) - log_qz,
            "total_correlation": log_qz - log_product,
            "dimension_wise_kl": log_product - forward.prior.log_prob(z),
        }
        parts = {name: per_sample(name, value, z) for name, value in parts.items()}
        weights = (self.alpha, self.beta, self.gamma)
        weighted = sum(w * part for w, part in zip(weights, parts.values(), strict=True))
        return terms | parts | {"loss": terms["reconstruction_loss"] + weighted}

    def _log_weight(self, forward):
        """Log-weights of the posterior of x_j in the estimate of q(z_i): a row for each i."""
        sample_weight = rows_of_all(forward.sample_weight)
        rank, count = ranks(sample_weight)
        own_rank = own_rows(rank, forward.sample_weight)[:, None]
        batch = ops.cast(count, "float32")
        size = forward.data_size if self.data_size is None else self.data_size
        size = ops.maximum(ops.cast(size, "float32"), batch)
        log_weight = ops.log(ops.maximum(batch * sample_weight, 1e-30))
        if self.estimator == "weighted":
            return log_weight - ops.log(size * batch) + ops.zeros_like(own_rank, "float32")
        others = ops.maximum(batch - 1.0, 1.0)
        # x_i itself stands for one sample of N; one other for those that the batch lacks.
        distance = (rank - own_rank) % count
        weight = ops.where(distance == 1, (size - others) / (size * others), 1.0 / others)
        weight = ops.where(distance == 0, 1.0 / size, weight)
        return log_weight + ops.log(ops.maximum(weight, math.exp(-30.0)))
