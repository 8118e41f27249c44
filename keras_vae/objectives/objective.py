"""Objective: the protocol that every objective follows."""

import inspect
import math

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_vae.objectives.forward import Forward


class Objective:
    """The loss that training minimizes and its named terms.

    A subclass defines `terms` and keeps each argument of its constructor in an
    attribute of that name. It may set these:

    Attributes:
        term_names: names of the terms beyond the loss, the reconstruction and
            the KL.
        n_draws: how many draws of z per input it takes; `None` for the encoder's.
        needs_data_size: whether it asks for the size of the data set.
        network: an auxiliary layer that is trained with the model, made in `build`.
    """

    term_names: tuple[str, ...] = ()
    n_draws: int | None = None
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
        """Returns `terms` and the current value of each weight that follows a schedule."""
        scheduled = {name: self.at(name, forward.step) for name in self._scheduled()}
        return self.terms(forward) | scheduled

    def at(self, name: str, step):
        """Returns the weight `name` at a training step."""
        weight = getattr(self, name)
        return ops.cast(weight(step), "float32") if callable(weight) else weight

    def _scheduled(self):
        return [n for n, value in vars(self).items() if isinstance(value, LearningRateSchedule)]

    @property
    def needs_step(self) -> bool:
        """Whether the loss depends on the training step."""
        return bool(self._scheduled())

    @property
    def own_terms(self) -> tuple[str, ...]:
        """Names of all terms beyond the loss, the reconstruction and the KL."""
        return (*self.term_names, *self._scheduled())

    def check_posterior(self, posterior: type) -> None:
        """Raises a ValueError if the objective makes no sense with this class of posterior."""

    def build(self, input_features: tuple, latent_dim: int) -> None:
        """Makes and builds the auxiliary network, if there is one."""

    def get_config(self) -> dict:
        names = inspect.signature(type(self).__init__).parameters
        return {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in names
            if name != "self"
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})


def check_weight(name: str, value):
    """Returns a weight of the loss: a number of at least 0, or a schedule.

    Raises:
        ValueError: if it is negative or not finite.
        TypeError: if it is neither a number nor a schedule.
    """
    if isinstance(value, LearningRateSchedule):
        return value
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise TypeError(
            f"{name} must be a number or a keras.optimizers.schedules.LearningRateSchedule; "
            f"received {value!r}."
        )
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be finite and not negative; received {value!r}.")
    return float(value)


def check_has(objective: Objective, posterior: type, method: str, why: str) -> None:
    """Raises a ValueError if the posterior lacks what the objective is computed from."""
    if not hasattr(posterior, method):
        raise ValueError(
            f"{type(objective).__name__} {why}, which a {posterior.__name__} does not have in "
            'closed form. Take posterior="diagonal_normal" or "full_covariance_normal".'
        )
