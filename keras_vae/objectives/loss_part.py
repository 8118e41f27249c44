"""LossPart: what an objective and a penalty have in common."""

import copy
import functools
import inspect
from typing import Self

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_vae.conditions import Categories, Condition
from keras_vae.distributions.base import Distribution
from keras_vae.likelihoods import Likelihood
from keras_vae.objectives import loss_weight
from keras_vae.objectives.forward import Forward
from keras_vae.typing import Tensor


class LossPart(keras.layers.Layer):
    """A layer that owns weights of the loss and networks, and computes terms of the loss.

    It is a layer for what it owns, so that Keras trains, saves and loads it, and
    is run by `compute`, never called as a layer. It is float32 whatever the
    dtype policy.

    Attributes:
        term_names: names of the terms of its own.
        computes_by_row: whether rows of weight zero behind the others change nothing, the
            noise of these included. Each class says it for itself.
        needs_data_size: whether it asks for the size of the data set.
        takes_grids: whether codes may be other than vectors.
        needs_kl: whether it is computed from the KL or from log q(z|x), which a point
            posterior lacks.
    """

    term_names: tuple[str, ...] = ()
    computes_by_row: bool = False
    needs_data_size: bool = False
    takes_grids: bool = False
    needs_kl: bool = False

    def __new__(cls, *args, **kwargs):
        if cls.terms is LossPart.terms:
            raise TypeError(f"{cls.__name__} must define terms(forward), which gives its terms.")
        part = super().__new__(cls, *args, **kwargs)
        # Here, so that `__init__` of a subclass need not be told to.
        keras.layers.Layer.__init__(part, dtype="float32")
        part.loss_weights = loss_weight.LossWeights(part.check_weights)
        return part

    def __init__(self):
        pass

    # What a subclass may define

    def build(self, x_shape, z_shape) -> None:
        """Builds the networks. They are made in `__init__`.

        Args:
            x_shape: shape of x, `(None, *features)`.
            z_shape: shape of z, `(None, *latent_shape)`.
        """

    def terms(self, forward: Forward) -> dict:
        """Returns the terms by name, each of shape `(batch,)` or, of a batch, a scalar."""
        raise NotImplementedError

    def check_weights(self, weights: dict) -> None:
        """Raises a ValueError if these weights, by name, make no sense together."""

    def check_posterior(self, posterior: type[Distribution]) -> None:
        """Raises a ValueError if the part makes no sense with this class of posterior."""

    def check_latent_shape(self, latent_shape: tuple[int, ...]) -> None:
        """Raises a ValueError for a grid of codes, if the part is one of vectors only."""
        if len(latent_shape) > 1 and not self.takes_grids:
            raise ValueError(
                f"{type(self).__name__} is computed from codes that are vectors, not of shape "
                f"{latent_shape}. Take another objective, such as keras_vae.objectives.ELBO, or "
                "latent_dim. One of your own says that it can: takes_grids = True in its class."
            )

    def check_condition(self, condition: Condition | None) -> None:
        """Raises a ValueError if the part makes no sense with the model's condition."""

    def check_likelihood(self, likelihood: Likelihood) -> None:
        """Raises a ValueError if the part makes no sense with the model's likelihood."""

    def own_classes(self, condition: Condition | None) -> Categories | None:
        """Returns the classes that labels are of, where the part learns from labels.

        Args:
            condition: the model's condition.
        """
        return None

    # Weights of the loss

    def at(self, name: str, step) -> Tensor | float:
        """Returns the weight `name` at a training step."""
        return loss_weight.weight_at(self, name, step)

    def log_name(self, name: str) -> str:
        """Returns the name of a term in the logs."""
        return name

    def weight_log_name(self, name: str) -> str:
        """Returns the name of a weight in the logs."""
        return name

    @property
    def needs_step(self) -> bool:
        """Whether the terms depend on the training step."""
        return bool(self._scheduled())

    @property
    def log_names(self) -> tuple[str, ...]:
        """Names, in the logs, of its own terms and of the weights that change by themselves."""
        weights = map(self.weight_log_name, self._changing_weights())
        return (*map(self.log_name, self.term_names), *weights)

    def weights_at(self, step) -> dict:
        """Returns the weights that schedules or variables give at a step, by name in the logs."""
        return {self.weight_log_name(n): self.at(n, step) for n in self._changing_weights()}

    def _scheduled(self):
        return [n for n, value in vars(self).items() if isinstance(value, LearningRateSchedule)]

    def _changing_weights(self):
        held = [n for n in loss_weight.names(self) if loss_weight.is_variable(vars(self)[n])]
        return self._scheduled() + held

    def checked(self, terms: dict, required: tuple[str, ...]) -> dict:
        """Returns the terms.

        Raises:
            ValueError: if they are not those that the part says it has.
        """
        name, expected = type(self).__name__, {*required, *self.term_names}
        if terms.keys() != expected:
            lacking, undeclared = expected - terms.keys(), terms.keys() - expected
            found = [f"lacks {', '.join(sorted(lacking))}"] if lacking else []
            found += [f"has {', '.join(sorted(undeclared))} besides"] if undeclared else []
            raise ValueError(
                f"{name}.terms must return {', '.join(required)} and its `term_names`; it "
                f"{' and '.join(found)}. Terms of your own are declared: term_names = (...) in "
                f"{name}."
            )
        return terms

    # As a layer of Keras

    def __call__(self, *args, **kwargs):
        raise TypeError(
            f"{type(self).__name__} is run by compute(forward), of a keras_vae.objectives.Forward; "
            "it is no layer to be called."
        )

    def __setattr__(self, name, value):
        if name.startswith("_"):
            super().__setattr__(name, value)
        elif name in loss_weight.declared(type(self)):
            # Not by Keras, which would keep a variable among those that files hold.
            object.__setattr__(self, name, value)
        elif name in _names_of_keras() or not loss_weight.is_built(self):
            super().__setattr__(name, value)
        else:
            cls = type(self).__name__
            raise AttributeError(
                f"{name} of a {cls} cannot be set once a model is built: compiled steps would not "
                f"see it. A weight that may change is declared in the class: {name} = LossWeight()."
            )

    def arguments(self) -> dict:
        """Returns the arguments of the constructor, by name, as they are now."""
        weights = loss_weight.weights(self)
        names = [n for n in inspect.signature(type(self).__init__).parameters if n != "self"]
        return {n: weights[n] if n in weights else getattr(self, n) for n in names}

    def get_config(self) -> dict:
        arguments = {**self.arguments(), **self._numbers()}
        return {n: keras.saving.serialize_keras_object(value) for n, value in arguments.items()}

    def _numbers(self):
        arguments = self.arguments()
        return {n: v for n, v in loss_weight.numbers(self).items() if n in arguments}

    def get_build_config(self) -> None:
        return None  # The model builds it.

    @classmethod
    def from_config(cls, config) -> Self:
        copies = {name: copy.deepcopy(value) for name, value in config.items()}
        return cls(**{k: keras.saving.deserialize_keras_object(v) for k, v in copies.items()})

    def __deepcopy__(self, memo):
        # A copy has variables of its own, once a model is built of it.
        return type(self)(**copy.deepcopy({**self.arguments(), **self._numbers()}, memo))


@functools.cache
def _names_of_keras():
    # Those of a model too: of every layer Keras sets train_function when TensorFlow exports.
    return frozenset({*dir(keras.Model()), "loss_weights"})


def check_has(part: LossPart, posterior: type[Distribution], method: str, why: str) -> None:
    """Raises a ValueError if the posterior lacks what the part is computed from."""
    if method not in posterior.closed_forms:
        raise ValueError(
            f"{type(part).__name__} {why}, which a {posterior.__name__} does not have in "
            'closed form. Take posterior="diagonal_normal" or "full_covariance_normal".'
        )
