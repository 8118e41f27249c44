"""What is frozen in a model, as files hold it, and whose state its optimizer has."""

import keras

from keras_vae import networks
from keras_vae.backend.keras_internals import flatten_layers, optimized_variables
from keras_vae.encoders import VariationalEncoder


def frozen(model: keras.Model) -> dict[str, list[int]]:
    """Returns which layers and which single variables do not train, by their places."""
    layers, variables = _layers(model), model.variables
    return {
        "layers": [i for i, layer in enumerate(layers) if not layer.trainable],
        "variables": [i for i, v in enumerate(variables) if not v.trainable],
    }


def freeze(model: keras.Model, places: dict | None) -> None:
    """Freezes in a built model what `frozen` found.

    Args:
        model: the model.
        places: what `frozen` returned; `None` for a file that does not say, where the
            configs of the layers tell.
    """
    layers = _layers(model)
    if places is None:
        places = {"layers": [i for i, layer in enumerate(layers) if not layer.trainable]}
    for i in places["layers"]:
        layers[i].trainable = False
    variables = model.variables
    for i in places.get("variables", ()):
        variables[i].trainable = False


def _layers(model):
    # A default network stands in its own place once it is loaded.
    return [x for x in flatten_layers(model) if not isinstance(x, networks.DefaultEncoder)]


def optimized(model: keras.Model) -> list[int]:
    """Returns the places of the variables that the optimizer has a state for."""
    places = {id(v): i for i, v in enumerate(model.variables)}
    return [places[id(v)] for v in optimized_variables(inner_optimizer(model.optimizer))]


def build_optimizer(model: keras.Model, places: list[int] | None) -> None:
    """Builds the optimizer of a model that is loaded, for the state that its file holds.

    Args:
        model: a built and compiled model.
        places: what `optimized` returned; `None` for a file of version 0.1.
    """
    if places is not None:
        variables = model.variables
        model.optimizer.build([variables[i] for i in places])
        return
    model.optimizer.build(model.trainable_variables)
    if isinstance(model.encoder, VariationalEncoder):
        _take_old_order(model.optimizer, model)


def _take_old_order(optimizer, model):
    """Lets the optimizer read a state in which a default network comes after the head.

    Version 0.1 made that network when the model was built.
    """
    load = optimizer.load_own_variables
    head = {id(v) for v in model.encoder.head.variables}
    network = {id(v) for v in model.encoder.network.variables}
    order = sorted(
        model.trainable_variables,
        key=lambda v: 0 if id(v) in head else 1 if id(v) in network else 2,
    )

    def load_own_variables(store):
        shapes = [tuple(store[str(i)].shape) for i in range(len(store.keys()))]
        if shapes == [tuple(v.shape) for v in optimizer.variables]:
            load(store)
            return
        old = type(optimizer).from_config(optimizer.get_config())
        old.build(order)
        old.load_own_variables(store)
        values = {v.name: v for v in old.variables}
        for variable in optimizer.variables:
            variable.assign(values[variable.name])

    optimizer.load_own_variables = load_own_variables


def inner_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Returns the optimizer that has the state, which Keras wraps under float16."""
    is_wrapped = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return optimizer.inner_optimizer if is_wrapped else optimizer
