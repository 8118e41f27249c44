"""Objective: the abstract class of the loss that training minimizes."""

import copy
from collections.abc import Callable
from typing import Self

import keras

from keras_vae.conditions import Categories, Condition
from keras_vae.objectives import loss_weight
from keras_vae.objectives.forward import Forward
from keras_vae.objectives.loss_part import LossPart
from keras_vae.objectives.loss_terms import LossTerms
from keras_vae.objectives.penalty import Penalty

_REQUIRED_WITHOUT_KL = ("loss", "reconstruction_loss")
_REQUIRED = (*_REQUIRED_WITHOUT_KL, "kl_loss")
# What the model logs besides.
_TAKEN = (*_REQUIRED, "negative_elbo", "regularization_loss")


class Objective(LossPart):
    """The loss that training minimizes: a bound and its penalties.

    For one of your own, inherit and define `terms`, which returns a dict of
    `loss`, `reconstruction_loss`, `kl_loss` and the `term_names`, each one value
    per sample, `(batch,)`, or a scalar for what only a batch has:

        @keras.saving.register_keras_serializable()
        class SquaredKL(Objective):
            term_names = ("squared_kl",)
            strength = LossWeight()  # may change while the model trains

            def __init__(self, strength=1.0):
                self.strength = strength

            def terms(self, forward):
                reconstruction, kl = forward.reconstruction_loss(), forward.kl()
                squared_kl = self.strength * kl**2
                return {
                    "loss": reconstruction + squared_kl,
                    "reconstruction_loss": reconstruction,
                    "kl_loss": kl,
                    "squared_kl": squared_kl,
                }

    Each argument of the constructor is kept in an attribute of its name. Networks
    are attributes too, however many and whatever they are called: made in
    `__init__`, built in `build(x_shape, z_shape)`, called in `terms` with
    `training=forward.training`, and called again by `backend.second_pass`.

    `objective + penalty` is a new objective of the same class over the same parts.

    Attributes:
        term_names: names of the terms beyond the loss, the reconstruction and
            the KL.
        n_draws: how many draws of z per input it takes; `None` for the encoder's.
        n_classes: how many conditions each row stands for, where it goes through all classes.
        computes_by_row: whether rows of weight zero behind the others change nothing, the
            noise of these included. Each class says it for itself.
        needs_data_size: whether it asks for the size of the data set.
        needs_kl: whether there is a KL: True, or else `terms` has no `kl_loss`, and the logs
            neither that nor `negative_elbo`.
        beta: the weight of the KL, where it has one.
        network: the auxiliary network, where it has one of that name, under which
            files of version 0.1 know it.
        own_penalties: penalties that the objective itself consists of.
        penalties: those that were added.
    """

    n_draws: int | None = None
    n_classes: int = 1
    needs_kl: bool = True
    beta: loss_weight.Weight | None = None

    def __new__(cls, *args, **kwargs):
        objective = super().__new__(cls, *args, **kwargs)
        # Not in the class, which would hide layers of these names on torch.
        objective.network = None
        objective.own_penalties, objective.penalties = [], []
        return objective

    def __add__(self, penalty: Penalty) -> "Objective":
        """Returns a new objective of this class, of the same parts, with one more penalty.

        Raises:
            TypeError: if it is no penalty.
            ValueError: if two terms would have one name in the logs.
        """
        if not isinstance(penalty, Penalty):
            raise TypeError(
                f"To a {type(self).__name__} a penalty is added, such as "
                f"keras_vae.objectives.MMD(10.0); received {penalty!r}."
            )
        total = type(self)(**self.arguments())
        total.penalties = [*self.penalties, penalty]
        total.check_names()
        return total

    def added(self) -> tuple[Penalty, ...]:
        """Returns its penalties, its own first."""
        return (*self.own_penalties, *self.penalties)

    def parts(self) -> tuple[LossPart, ...]:
        """Returns the objective and its penalties."""
        return (self, *self.added())

    def classes_of(self, condition: Condition | None) -> Categories | None:
        """Returns the classes that labels are of, `None` where no part learns from labels."""
        found = (part.own_classes(condition) for part in self.parts())
        return next((classes for classes in found if classes is not None), None)

    @property
    def own_terms(self) -> tuple[str, ...]:
        """Names of all that is logged beyond the loss, the reconstruction and the KL."""
        return tuple(name for part in self.parts() for name in part.log_names)

    def logged_weights(self) -> dict:
        """Returns all weights of the loss, as they are now, by their names in the logs."""
        return {
            part.weight_log_name(name): value
            for part in self.parts()
            for name, value in loss_weight.weights(part).items()
        }

    def logged_as_assigned(self) -> set[str]:
        """Returns the names in the logs of the numbers that were assigned."""
        return {
            part.weight_log_name(name)
            for part in self.parts()
            for name in loss_weight.assigned(part)
        }

    def check_names(self) -> None:
        """Raises a ValueError if two terms have one name in the logs."""
        seen = set(_TAKEN)
        for part in self.parts():
            for name in part.log_names:
                if name in seen:
                    raise ValueError(
                        f"{type(part).__name__} logs {name}, which is the name of another term of "
                        "the loss. A penalty takes a name that is put before its terms: "
                        f'{type(part).__name__}(..., name="second").'
                    )
                seen.add(name)

    def build(self, x_shape, z_shape) -> None:
        """Builds the networks. They are made in `__init__`.

        Args:
            x_shape: shape of x, `(None, *features)`.
            z_shape: shape of z, `(None, *latent_shape)`.
        """
        for part in self.parts()[1:]:
            if not part.built:
                part.build(x_shape, z_shape)

    def compute(self, forward: Forward) -> LossTerms:
        """Returns the terms of the loss of a batch.

        Raises:
            ValueError: if a part lacks a term that it declares, or has one that it does not.
        """
        with loss_weight.at_step(forward.step):
            required = _REQUIRED if self.needs_kl else _REQUIRED_WITHOUT_KL
            terms = self.checked(self.terms(forward), required)
            extras = {name: terms[name] for name in self.term_names}
            loss = terms["loss"]
            for penalty in self.parts()[1:]:
                added = penalty.compute(forward)
                loss = loss + added.pop("loss")
                extras |= added
            for part in self.parts():
                extras |= part.weights_at(forward.step)
        return LossTerms(
            loss=loss,
            reconstruction_loss=terms["reconstruction_loss"],
            kl_loss=terms["kl_loss"] if self.needs_kl else None,
            extras=extras,
        )

    def bound_given(self, forward: Forward) -> Callable | None:
        """Returns the bound as a function of log p(x|z), or `None` where draws weigh the same."""
        return None

    def get_config(self) -> dict:
        added = [keras.saving.serialize_keras_object(penalty) for penalty in self.penalties]
        return super().get_config() | ({"penalties": added} if added else {})

    @classmethod
    def from_config(cls, config) -> Self:
        config = dict(config)
        added = config.pop("penalties", [])
        objective = super().from_config(config)
        objective.penalties = [
            keras.saving.deserialize_keras_object(copy.deepcopy(penalty)) for penalty in added
        ]
        return objective

    def __deepcopy__(self, memo):
        objective = super().__deepcopy__(memo)
        objective.penalties = [copy.deepcopy(penalty, memo) for penalty in self.penalties]
        return objective
