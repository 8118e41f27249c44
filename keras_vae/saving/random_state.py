"""What of a model's randomness is saved with its weights, so that a run goes on as it would have.

Layers that draw for the package (`SeededLayer`) save their own state.
"""

import keras
import numpy as np
from keras import ops

from keras_vae.backend import own_seeds, part_seeds
from keras_vae.backend.keras_internals import flatten_layers, seed_generators
from keras_vae.saving.seeded_layer import SeededLayer, set_state

_NAMES = ("row_order", "seed_states")


def own(vae: keras.Model) -> None:
    """Lets each of the user's random layers draw from its own seed, and each replica apart."""
    own_seeds(_generators(vae))
    part_seeds([g for layer in flatten_layers(vae) for g in seed_generators(layer)])


def save(vae: keras.Model, store) -> None:
    """Writes into `store` the order of the rows and the seeds of the user's random layers."""
    store["row_order"] = vae.row_order.state
    states = [ops.convert_to_numpy(g.state).astype("int64") for g in _generators(vae)]
    store["seed_states"] = np.reshape(states, (len(states), -1))


def load(vae: keras.Model, store) -> dict:
    """Takes from `store` what `save` wrote, and returns the rest of it."""
    rest = {name: store[name] for name in list(store.keys()) if name not in _NAMES}
    vae.row_order.state = store["row_order"][...]
    generators, states = _generators(vae), store["seed_states"][...]
    if len(generators) != len(states):
        raise ValueError(
            f"The file holds the seeds of {len(states)} layers that draw random numbers, the model "
            f"has {len(generators)}: its networks differ from those of the saved model."
        )
    for generator, state in zip(generators, states, strict=True):
        set_state(generator, state)
    return rest


def _generators(vae):
    layers = (layer for layer in flatten_layers(vae) if not isinstance(layer, SeededLayer))
    return [generator for layer in layers for generator in seed_generators(layer)]
