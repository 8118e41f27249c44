"""Conditions: what is given beside x, p(x|z, c), as parts of a VAE."""

from collections.abc import Mapping

import keras

from keras_vae.conditions.base import Condition
from keras_vae.conditions.categories import Categories
from keras_vae.conditions.continuous import Continuous
from keras_vae.conditions.embedding import Embedding
from keras_vae.conditions.exposure import Exposure, SizeFactor
from keras_vae.conditions.from_layer import FromLayer
from keras_vae.conditions.given import NOTHING, Given, tiled
from keras_vae.conditions.one_hot import OneHot
from keras_vae.conditions.several import Several
from keras_vae.conditions.two_inputs import call, call_or_join, symbolic, takes_condition

__all__ = [
    "NOTHING",
    "Categories",
    "Condition",
    "Continuous",
    "Embedding",
    "Exposure",
    "FromLayer",
    "Given",
    "OneHot",
    "Several",
    "SizeFactor",
    "call",
    "call_or_join",
    "get",
    "symbolic",
    "takes_condition",
    "tiled",
]


def get(identifier) -> Condition | None:
    """Returns the condition that a condition, a layer or a dict of these stands for.

    Raises:
        TypeError: for anything else.
    """
    if identifier is None or isinstance(identifier, Condition):
        return identifier
    if isinstance(identifier, keras.layers.Layer):
        return FromLayer(identifier)
    if isinstance(identifier, Mapping):
        if "class_name" in identifier:
            return get(keras.saving.deserialize_keras_object(dict(identifier)))
        parts = {name: get(part) for name, part in identifier.items()}
        return Several({name: part for name, part in parts.items() if part is not None})
    raise TypeError(
        "A condition is one of keras_vae.conditions, such as OneHot(10), a Keras layer from c to a "
        f"vector, or a dict of these by name; received {identifier!r}."
    )
