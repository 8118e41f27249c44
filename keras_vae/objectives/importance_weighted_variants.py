"""CIWAE, MIWAE and PIWAE: between the ELBO and the IWAE bound."""

import math

from keras import ops

from keras_vae.objectives.importance_weighted import IWAE, normalized
from keras_vae.objectives.loss_weight import LossWeight, Weight
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_count


@serializable(old="CIWAE")
class CIWAE(IWAE):
    """loss = -(β·ELBO + (1 - β)·IWAE bound): their combination.

    Args:
        n_samples: K, draws of z per input.
        elbo_weight: β in [0, 1], a number or a schedule.
        gradient: see `IWAE`.

    Raises:
        ValueError: if an argument is out of its range.

    Reference:
        Rainforth et al., "Tighter variational bounds are not necessarily
        better", 2018, the section on new estimators.
    """

    computes_by_row = True

    elbo_weight = LossWeight(high=1.0)

    def __init__(
        self,
        n_samples: int = 5,
        elbo_weight: Weight = 0.5,
        gradient: str = "reparameterized",
    ):
        super().__init__(n_samples, gradient)
        self.elbo_weight = elbo_weight

    def bound(self, log_w, step) -> Tensor:
        weight = self.at("elbo_weight", step)
        return weight * ops.mean(log_w, axis=0) + (1.0 - weight) * super().bound(log_w, step)

    def gradient_weights(self, log_w, power, step) -> tuple[Tensor, Tensor]:
        weight = self.at("elbo_weight", step)
        both = super().gradient_weights(log_w, power, step)
        return tuple(weight / self.n_draws + (1.0 - weight) * w for w in both)


@serializable(old="MIWAE")
class MIWAE(IWAE):
    """loss = -1/M Σ_m log 1/K Σ_k w_mk: the mean of M IWAE bounds of K draws each.

    The multiply importance weighted autoencoder of Rainforth et al. The MIWAE of Mattei
    & Frellsen, 2019, which is for missing data, is another: the objective `IWAE` with
    `likelihoods.Masked`, and `VAE.impute`.

    Args:
        n_groups: M.
        n_samples: K, draws per group.
        gradient: see `IWAE`.

    Raises:
        ValueError: if an argument is out of its range.

    Reference:
        Rainforth et al., "Tighter variational bounds are not necessarily
        better", 2018, the section on new estimators.
    """

    computes_by_row = True

    def __init__(self, n_groups: int = 4, n_samples: int = 5, gradient: str = "reparameterized"):
        super().__init__(n_samples, gradient)
        self.n_groups = check_count("n_groups", n_groups)

    @property
    def n_draws(self) -> int:  # type: ignore[override]  # others have a plain attribute
        return self.n_groups * self.n_samples

    def _groups(self, log_w):
        return ops.reshape(log_w, (self.n_groups, self.n_samples, -1))

    def bound(self, log_w, step) -> Tensor:
        per_group = ops.logsumexp(self._groups(log_w), axis=1) - math.log(self.n_samples)
        return ops.mean(per_group, axis=0)

    def gradient_weights(self, log_w, power, step) -> tuple[Tensor, Tensor]:
        w = ops.reshape(normalized(self._groups(log_w), axis=1), (self.n_draws, -1))
        return w / self.n_groups, w**power / self.n_groups


@serializable(old="PIWAE")
class PIWAE(MIWAE):
    """The encoder follows `MIWAE`, decoder and prior the IWAE bound of all M·K draws.

    The loss that is logged is the latter. The decoder runs twice.

    Args:
        n_groups: M.
        n_samples: K, draws per group.
        gradient: see `IWAE`.

    Raises:
        ValueError: if an argument is out of its range.

    Reference:
        Rainforth et al., "Tighter variational bounds are not necessarily
        better", 2018, the section on new estimators.
    """

    computes_by_row = True
    same_weights = False

    def bound(self, log_w, step) -> Tensor:
        return IWAE.bound(self, log_w, step)

    def gradient_weights(self, log_w, power, step) -> tuple[Tensor, Tensor]:
        return normalized(log_w, axis=0), super().gradient_weights(log_w, power, step)[1]
