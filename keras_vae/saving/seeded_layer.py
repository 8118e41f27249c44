"""SeededLayer: a layer whose random state is saved with its weights."""

import keras
from keras import ops

from keras_vae.numerics.float32_layer import Float32Layer
from keras_vae.validation.arguments import plain


class SeededLayer(Float32Layer):
    """Base of the layers that draw random numbers.

    It owns a `keras.random.SeedGenerator` and writes its state into weight
    files, which Keras itself does not do, so that a resumed run draws the
    numbers that the uninterrupted run would have drawn. It computes in float32
    whatever the dtype policy.

    Args:
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.
    """

    def __init__(self, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.seed = plain(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def generator(self, seed=None) -> keras.random.SeedGenerator:
        """Returns the layer's generator, or one of a given seed; a given generator as it is."""
        if isinstance(seed, keras.random.SeedGenerator):
            return seed
        return self.seed_generator if seed is None else keras.random.SeedGenerator(int(seed))

    def save_own_variables(self, store) -> None:
        super().save_own_variables(store)
        store["seed_state"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store) -> None:
        weights = {key: store[key] for key in list(store.keys()) if key != "seed_state"}
        super().load_own_variables(weights)
        set_state(self.seed_generator, store["seed_state"][...])

    def get_config(self) -> dict:
        return {**super().get_config(), "seed": self.seed}


def set_state(generator: keras.random.SeedGenerator, state) -> None:
    """Sets the state of a generator to an array of integers."""
    # The backends keep seeds in different integer types.
    generator.state.assign(ops.cast(state, generator.state.dtype))
