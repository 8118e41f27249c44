"""LossWeight: a weight of the loss that may change while the model trains."""

import contextvars
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from keras_vae.typing import Tensor

Weight: TypeAlias = float | LearningRateSchedule | keras.Variable


class _Running(NamedTuple):
    """The computation of a loss, at a training step that only schedules need."""

    step: Any


# Set while the terms of a loss are computed: weights are tensors then.
_running: contextvars.ContextVar[_Running | None] = contextvars.ContextVar(
    "keras_vae_running", default=None
)


class Follows:
    """A weight of a penalty that an objective has made, given by the weights of the objective.

    Args:
        function: takes nothing and returns the weight as it is now.

    Example:
        >>> penalty = MMD(strength=Follows(lambda: self.gamma))
    """

    def __init__(self, function: Callable):
        self.function = function

    def __call__(self, step):
        return self.function()


class LossWeight:
    """A number, a schedule of the training step or a `keras.Variable`, as a class attribute.

    What is assigned to it acts from the next step on, on every backend and
    without compiling anew: once the model is built, a number lies in a variable.
    Outside of the computation of a loss it reads as what was given, a number as
    its current value; within, as a tensor.

    Args:
        high: the largest value, where there is one. Weights are never negative.

    Raises:
        ValueError: if a value is out of range, or a schedule takes the place of a
            number, or the reverse, in a model that is built.
        TypeError: if a value is none of the three.

    Example:
        >>> class Mine(Objective):
        ...     strength = LossWeight()
        ...     def __init__(self, strength=1.0):
        ...         self.strength = strength
    """

    def __init__(self, high: float = math.inf):
        self.high = high

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, part, owner=None):
        if part is None:
            return self
        if self.name not in vars(part):
            raise AttributeError(f"{type(part).__name__} has no {self.name} yet.")
        running = _running.get()
        if running is not None:
            return weight_at(part, self.name, running.step)
        value, state = vars(part)[self.name], _state(part)
        if isinstance(value, Follows):
            return value.function()
        if is_variable(value) or self.name not in state.variables:
            return value
        state.sync()
        return float(ops.convert_to_numpy(state.variables[self.name]))

    def __set__(self, part, value):
        value, state = check_weight(self.name, value, self.high), _state(part)
        state.check({**weights(part), self.name: value})
        old = vars(part).get(self.name, value)
        if isinstance(old, Follows) and value is not old:
            raise ValueError(
                f"{self.name} of this {type(part).__name__} follows from the weights of the "
                "objective that has made it. Set those."
            )
        assignable = is_variable(old) and isinstance(value, float)
        if state.is_fixed and _kind(old) != _kind(value) and not assignable:
            raise ValueError(
                f"{self.name} is {_kind(old)} of a model, and cannot become {_kind(value)}. Make "
                f"the model with {self.name}=... of the kind that you want."
            )
        if self.name in state.variables and isinstance(value, float):
            state.sync()
            state.variables[self.name].assign(value)
            state.assigned.add(self.name)
        elif self.name in state.variables and value is not old:
            raise ValueError(
                f"{self.name} is a keras.Variable of a model that is built, and cannot become "
                f"another one. Assign to it, or set {self.name} to a number."
            )
        else:
            vars(part)[self.name] = value


class _State:
    """What is known of a part's weights; a plain object, as Keras would look into a layer's."""

    def __init__(self, check):
        self.check = check  # raises an error if weights by name make no sense together
        self.is_fixed = False  # whether a model has counted on what kinds they are
        self.variables = {}
        self.assigned = set()  # names of the numbers that were assigned since
        self.syncs = []

    def sync(self):
        """Brings the variables up to date, which JAX keeps elsewhere while it trains."""
        for sync in self.syncs:
            sync()


def _state(part) -> _State:
    return part.loss_weights.state


def declared(cls: type) -> list[str]:
    """Returns the names of the weights that a class declares."""
    return list(
        {
            name: None
            for base in reversed(cls.__mro__)
            for name, value in vars(base).items()
            if isinstance(value, LossWeight)
        }
    )


def names(part) -> list[str]:
    """Returns the names of the weights that the part's class declares and the part has."""
    held = vars(part)
    return [n for n in declared(type(part)) if n in held and not isinstance(held[n], Follows)]


def weights(part) -> dict:
    """Returns the weights of a part by name: numbers as they are now, schedules, variables."""
    return {name: getattr(part, name) for name in names(part)}


def numbers(part) -> dict:
    """Returns `weights` with the value of now for each variable, as a config holds it."""
    return {
        name: float(ops.convert_to_numpy(value)) if is_variable(value) else value
        for name, value in weights(part).items()
    }


def fix(part) -> None:
    """Fixes which weights are numbers, schedules and variables, for a model that has the part."""
    _state(part).is_fixed = True


def is_built(part) -> bool:
    """Returns whether a model that has the part is built."""
    return bool(_state(part).syncs)


def assigned(part) -> set[str]:
    """Returns the names of the numbers that were assigned since the model was built."""
    return _state(part).assigned


def weight_at(part, name: str, step) -> Tensor | float:
    """Returns the weight `name` at a training step: a tensor, or a number that never changes."""
    value = vars(part)[name] if name in vars(part) else getattr(part, name)
    if callable(value):
        return ops.cast(value(step), "float32")
    value = _state(part).variables.get(name, value)
    return ops.cast(value, "float32") if is_variable(value) else value


@contextmanager
def at_step(step) -> Iterator[None]:
    """Lets weights read as tensors of that training step."""
    token = _running.set(_Running(step))
    try:
        yield
    finally:
        _running.reset(token)


def is_variable(value) -> bool:
    """Returns whether a weight is a `keras.Variable`."""
    return isinstance(value, keras.Variable)


def check_weight(name: str, value, high: float = math.inf) -> Weight:
    """Returns a weight of the loss: a number from 0 to `high`, a schedule or a `keras.Variable`.

    Raises:
        ValueError: if it is out of that range or not finite.
        TypeError: if it is none of these.
    """
    if isinstance(value, (LearningRateSchedule, Follows)):
        return value
    if is_variable(value):
        if tuple(value.shape) != ():
            raise ValueError(f"{name} must be a scalar; the variable has shape {value.shape}.")
        check_weight(name, float(ops.convert_to_numpy(value)), high)
        value.trainable = False  # or the optimizer would train it
        return value
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise TypeError(
            f"{name} must be a number or a keras.optimizers.schedules.LearningRateSchedule or "
            f"keras.Variable; received {value!r}."
        )
    number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be finite and not negative; received {value!r}.")
    if number > high:
        raise ValueError(f"{name} must lie in [0, {high:g}]; received {value!r}.")
    return number


def _kind(value):
    if isinstance(value, LearningRateSchedule):
        return "a schedule"
    return "a keras.Variable" if is_variable(value) else "a number"


class LossWeights(keras.layers.Layer):
    """The variables of the weights of an objective, a penalty or a model, a layer of that part.

    They are none of the weights that `get_weights` gives and files hold: configs
    hold them, as numbers.

    Args:
        check: raises an error if these weights, a dict by name, make no sense together.
    """

    def __init__(self, check: Callable = lambda weights: None):
        super().__init__(dtype="float32", name="loss_weights")
        self.state = _State(check)

    def make(self, part, sync: Callable) -> None:
        """Makes a variable for each number among the weights, or takes those that there are.

        Args:
            part: what the weights are of.
            sync: called before a variable is read or assigned.
        """
        variables = self.state.variables
        self.state.syncs.append(sync)
        held = {name: value for name, value in weights(part).items() if is_variable(value)}
        variables.update(held)
        for name, value in weights(part).items():
            # Another model that shares the part may have made it.
            if name not in variables and isinstance(value, float):
                variables[name] = self.add_weight(
                    initializer=keras.initializers.Constant(value),
                    trainable=False,
                    autocast=False,
                    aggregation="only_first_replica",
                    name=name,
                )
        self.held = list(held.values())  # so that they are among the variables of the model
        self.built = True

    @property
    def weights(self) -> list[keras.Variable]:
        return []

    def save_own_variables(self, store) -> None:
        pass

    def load_own_variables(self, store) -> None:
        pass
