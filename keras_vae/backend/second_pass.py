"""Layers that a step calls more than once."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_vae.backend.keras_internals import flatten_layers, seed_generators


def second_pass(
    layer: keras.layers.Layer,
    *inputs,
    training: bool,
    frozen: bool = False,
    call: Callable | None = None,
) -> Any:
    """Calls a layer that the step has called before, in the same mode.

    Batch statistics are those of these inputs, and gradients flow. Moving
    statistics stay as the first call left them, so that they move once a step;
    noise goes on.

    Args:
        layer: the layer, built.
        *inputs: what it is called with.
        training: the mode of the step.
        frozen: whether the layer's weights are constants here, as an adversary's are.
        call: what is called in place of the layer, a function of these inputs
            that takes `training`.

    Returns:
        The outputs.
    """
    call = layer if call is None else call
    if not (training or frozen):
        return call(*inputs, training=False)
    values = [(v, _constant(v.value) if frozen else v.value) for v in layer.variables]
    seeds = [g.state for part in flatten_layers(layer) for g in seed_generators(part)]
    # All that the call would write stays in the scope.
    with keras.StatelessScope(state_mapping=values) as scope:
        outputs = call(*inputs, training=training)
    for seed in seeds:
        state = scope.get_current_value(seed)
        if state is not None:
            seed.assign(state)
    return outputs


def _constant(value):
    is_float = keras.backend.is_float_dtype(keras.backend.standardize_dtype(value.dtype))
    return ops.stop_gradient(value) if is_float else value
