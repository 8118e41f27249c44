"""Statistics: what a likelihood keeps of the data that it has seen."""

import keras


class Statistics(keras.layers.Layer):
    """Numbers that follow from data, not from a gradient.

    Files hold them, and files that do not leave them as they are; they are none of the
    weights that `get_weights` gives.

    Args:
        start: the starting value of each by name, 0 or 1, all of one shape.
        shape: that shape.
    """

    def __init__(self, start: dict, shape: tuple = ()):
        super().__init__(dtype="float32", trainable=False)
        # float32 under mixed precision too.
        options = {"trainable": False, "autocast": False, "aggregation": "mean"}
        for name, value in start.items():
            initializer = keras.initializers.Constant(value)
            setattr(self, name, self.add_weight(shape, initializer, name=name, **options))
        self.built = True

    @property
    def weights(self) -> list[keras.Variable]:
        return []

    def load_own_variables(self, store) -> None:
        if len(store.keys()):
            super().load_own_variables(store)
