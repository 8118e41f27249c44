"""Objective: the protocol that every objective follows."""

import copy
import inspect

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_vae.objectives import loss_weight
from keras_vae.objectives.forward import Forward


class Objective:
    """The loss that training minimizes and its named terms.

    A subclass defines `terms` and keeps each argument of its constructor in an
    attribute of that name. A weight that may change while the model trains is
    declared as `name = LossWeight()`. It may set these:

    Attributes:
        term_names: names of the terms beyond the loss, the reconstruction and
            the KL.
        n_draws: how many draws of z per input it takes; `None` for the encoder's.
        computes_by_row: whether rows of weight zero behind the others change nothing, the
            noise of these included. Each class says it for itself.
        needs_data_size: whether it asks for the size of the data set.
        network: an auxiliary layer that is trained with the model, made in `build`.
    """

    term_names: tuple[str, ...] = ()
    n_draws: int | None = None
    computes_by_row = False
    needs_data_size = False
    network: keras.layers.Layer | None = None

    def terms(self, forward: Forward) -> dict:
        """Returns the terms of the loss.

        Returns:
            A dict of `loss`, `reconstruction_loss`, `kl_loss` and `term_names`,
            each of shape `(batch,)` or, for what only a batch has, a scalar.
        """
        raise NotImplementedError

    def __call__(self, forward: Forward) -> dict:
        """Returns `terms` and the weights that schedules or variables give, as they are now."""
        with loss_weight.at_step(forward.step):
            logged = {name: self.at(name, forward.step) for name in self._logged_weights()}
            return self.terms(forward) | logged

    def __setattr__(self, name, value):
        is_weight = isinstance(getattr(type(self), name, None), loss_weight.LossWeight)
        if loss_weight.is_built(self) and not (is_weight or name.startswith("_")):
            cls = type(self).__name__
            raise AttributeError(
                f"{name} of a {cls} cannot be set once a model is built: compiled steps would not "
                f"see it. A weight that may change is declared in the class: {name} = LossWeight()."
            )
        super().__setattr__(name, value)

    def at(self, name: str, step):
        """Returns the weight `name` at a training step."""
        return loss_weight.weight_at(self, name, step)

    def _scheduled(self):
        return [n for n, value in vars(self).items() if isinstance(value, LearningRateSchedule)]

    def _logged_weights(self):
        held = [n for n in loss_weight.names(self) if loss_weight.is_variable(vars(self)[n])]
        return self._scheduled() + held

    @property
    def needs_step(self) -> bool:
        """Whether the loss depends on the training step."""
        return bool(self._scheduled())

    @property
    def own_terms(self) -> tuple[str, ...]:
        """Names of all terms beyond the loss, the reconstruction and the KL."""
        return (*self.term_names, *self._logged_weights())

    def check_weights(self, weights: dict) -> None:
        """Raises a ValueError if these weights, by name, make no sense together."""

    def check_posterior(self, posterior: type) -> None:
        """Raises a ValueError if the objective makes no sense with this class of posterior."""

    def build(self, input_features: tuple, latent_dim: int) -> None:
        """Makes and builds the auxiliary network, if there is one."""

    def get_config(self) -> dict:
        numbers = loss_weight.numbers(self)
        return {
            name: keras.saving.serialize_keras_object(numbers.get(name, getattr(self, name)))
            for name in inspect.signature(type(self).__init__).parameters
            if name != "self"
        }

    def __deepcopy__(self, memo):
        # A copy has variables of its own, once a model is built of it.
        arguments = inspect.signature(type(self).__init__).parameters
        own = vars(self) | loss_weight.numbers(self)
        return type(self)(**{n: copy.deepcopy(own[n], memo) for n in arguments if n in own})

    @classmethod
    def from_config(cls, config):
        copies = {name: copy.deepcopy(value) for name, value in config.items()}
        return cls(**{k: keras.saving.deserialize_keras_object(v) for k, v in copies.items()})


def check_has(objective: Objective, posterior: type, method: str, why: str) -> None:
    """Raises a ValueError if the posterior lacks what the objective is computed from."""
    if not hasattr(posterior, method):
        raise ValueError(
            f"{type(objective).__name__} {why}, which a {posterior.__name__} does not have in "
            'closed form. Take posterior="diagonal_normal" or "full_covariance_normal".'
        )
