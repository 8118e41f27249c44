"""Float32Layer: a layer that computes in float32 whatever the dtype policy."""

import keras


class Float32Layer(keras.layers.Layer):
    """Base of the parts that make distributions.

    Its weights are float32 also where a layer around it computes in half precision.
    """

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)

    def add_weight(self, *args, autocast: bool = False, **kwargs) -> keras.Variable:
        """Adds a weight, as Keras's method does, that no scope casts."""
        return super().add_weight(*args, autocast=autocast, **kwargs)
