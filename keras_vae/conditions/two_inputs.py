"""Calls networks of one input, and those of two, which take the condition's vector themselves."""

import functools
import inspect
from collections.abc import Callable

import keras

from keras_vae.conditions.given import NOTHING, Given
from keras_vae.typing import Tensor


def takes_condition(network: keras.layers.Layer | None) -> bool:
    """Returns whether a network takes e(c) beside its first input.

    So does a functional model of two inputs, and a layer whose `call` has a `condition`.
    """
    if network is None:
        return False
    if _names_condition(type(network).call):
        return True
    inputs = getattr(network, "inputs", None)
    return isinstance(inputs, (list, tuple)) and len(inputs) == 2


@functools.lru_cache(maxsize=256)  # to look takes a hundredth of a small step on torch
def _names_condition(function: Callable) -> bool:
    return "condition" in inspect.signature(function).parameters


def call(network: keras.layers.Layer, values, given: Given, training: bool) -> Tensor:
    """Returns what a network makes of values and, where it takes them, of what is given.

    A functional model gets the vector for its input named `condition`, or else its second.
    """
    if given.vector is None or not takes_condition(network):
        return network(values, training=training)
    if _names_condition(type(network).call):
        return network(values, condition=given.vector, training=training)
    names = [value.name for value in network.inputs]
    place = names.index("condition") if "condition" in names else 1
    inputs = [values, values]
    inputs[place] = given.vector
    return network(inputs, training=training)


def call_or_join(network: keras.layers.Layer, values, given: Given, training: bool) -> Tensor:
    """Returns `call`, a network of one input getting what is given joined to the values."""
    if takes_condition(network):
        return call(network, values, given, training)
    return network(given.joined(values), training=training)


def symbolic(size: int) -> Given:
    """Returns the symbol of a vector of that size, with which networks are built."""
    return Given(vector=keras.KerasTensor((None, size))) if size else NOTHING
