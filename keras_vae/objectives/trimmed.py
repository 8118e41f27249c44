"""Trimmed: training that resists contaminated data."""

from collections.abc import Callable
from dataclasses import replace

from keras import ops

from keras_vae import objectives
from keras_vae.backend import sum_over_replicas
from keras_vae.backend.replicas import own_rows, rows_of_all
from keras_vae.objectives.base import Objective
from keras_vae.objectives.classifying import Classifying
from keras_vae.objectives.forward import Forward
from keras_vae.objectives.loss_part import LossPart
from keras_vae.objectives.loss_terms import LossTerms
from keras_vae.objectives.loss_weight import LossWeight, Weight, at_step
from keras_vae.objectives.penalty import Penalty
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


@serializable()
class Trimmed(Objective):
    """loss = the mean of a bound's loss over the batch without the worst rows.

    The rows of the largest losses, together at most a share of the batch by sample weight,
    teach nothing: for data of which a part may be anomalies, without knowing which. In
    batches of n rows of one weight these are ⌊share·n⌋ rows. `loss` is that of the rows kept, in
    evaluation too, and `trimmed_share` the share of the weight that was left out;
    `reconstruction_loss` and `kl_loss` are those of all rows. Which rows go is said by the bound
    alone. What looks across the batch, such as penalties, sees the rows kept. The bound's
    terms are computed twice, the networks once.

    Its weights are those of the bound: `vae.objective.bound.beta = 4.0`.

    Args:
        bound: an objective, a name or object of `keras_vae.objectives`.
        share: how much of each batch teaches nothing, a number or a schedule: about as much
            as may be contaminated, or more. It has to be below 1.

    Raises:
        ValueError: if the share is not in [0, 1), the bound learns from labels by going through
            all classes, or the likelihood follows from the rows of the batch.

    Reference:
        Shen & Sanghavi, "Learning with bad training data via iterative trimmed loss
        minimization", 2019, equation 2.

    Example:
        >>> vae = VAE(encoder, decoder, objective=Trimmed("elbo", share=0.1))
    """

    term_names = ("trimmed_share",)
    computes_by_row = True
    takes_grids = True

    share = LossWeight(high=1.0)

    def __init__(self, bound="elbo", share: Weight = 0.1):
        self.bound = objectives.get(bound)
        self.share = share
        if isinstance(self.bound, (Classifying, Trimmed)):
            raise ValueError(
                f"Trimmed takes a bound of one loss per row, such as keras_vae.objectives.ELBO(); "
                f"received a {type(self.bound).__name__}."
            )

    @property
    def n_draws(self) -> int | None:  # type: ignore[override]  # others have a plain attribute
        return self.bound.n_draws

    def added(self) -> tuple[Penalty, ...]:
        return (*self.bound.added(), *self.penalties)

    def parts(self) -> tuple[LossPart, ...]:
        return (self, self.bound, *self.added())

    def check_weights(self, weights) -> None:
        if isinstance(weights["share"], float) and weights["share"] >= 1.0:
            raise ValueError(f"share must be below 1; received {weights['share']!r}.")

    def check_likelihood(self, likelihood) -> None:
        if likelihood.adapts:
            raise ValueError(
                f"Trimmed leaves rows out by their loss, and a {type(likelihood).__name__} follows "
                "from all rows of the batch. Take one that is learned or fixed, such as "
                'Gaussian("learned") or Gaussian(1.0).'
            )

    def bound_given(self, forward: Forward) -> Callable | None:
        return self.bound.bound_given(forward)

    def terms(self, forward: Forward) -> dict:
        return self.bound.terms(forward)

    def compute(self, forward: Forward) -> LossTerms:
        with at_step(forward.step):
            return self._compute(forward)

    def _compute(self, forward):
        loss = _per_row(ops.stop_gradient(self.terms(forward)["loss"]))
        weights = rows_of_all(forward.sample_weight)
        kept = own_rows(kept_rows(rows_of_all(loss), weights, self.share), loss)
        left = sum_over_replicas(ops.sum(ops.where(kept, forward.sample_weight, 0.0)))
        scale = ops.where(kept, 1.0 / ops.maximum(left, 1e-12), 0.0)
        forward = replace(forward, sample_weight=scale * forward.sample_weight)
        found = self.bound.compute(forward)
        loss, extras = found.loss, {**found.extras, "trimmed_share": 1.0 - left}
        for penalty in self.penalties:
            added = penalty.compute(forward)
            loss = loss + added.pop("loss")
            extras |= added | penalty.weights_at(forward.step)
        # So that the mean over all rows is that over the rows kept.
        loss = ops.where(kept, scale * loss, 0.0)
        return replace(found, loss=loss, extras=extras | self.weights_at(forward.step))


def kept_rows(loss, sample_weight, share) -> Tensor:
    """Returns which rows are left without those of the largest losses, `(batch,)`.

    Args:
        loss: shape `(batch,)`.
        sample_weight: shape `(batch,)`, summing to 1.
        share: how much of that sum those left out have at most.
    """
    # Rows of weight zero last, whatever their loss.
    loss = ops.where(sample_weight > 0.0, loss, -float("inf"))
    worst_first = ops.argsort(-loss)
    weight_so_far = ops.cumsum(ops.take(sample_weight, worst_first, axis=0))
    is_kept = weight_so_far > share + 1e-6
    return ops.take(is_kept, ops.argsort(worst_first), axis=0)


def _per_row(loss):
    """Returns a loss of one value per row, or says that it is none."""
    if len(loss.shape) != 1:
        raise ValueError(
            "Trimmed needs a bound of one loss per row; the loss of this one has shape "
            f"{tuple(loss.shape)}."
        )
    return loss
