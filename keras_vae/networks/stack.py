"""Stack: layers applied one after the other, the body that the networks share."""

import keras
from keras import ops

from keras_vae.typing import Tensor


class Stack(keras.layers.Layer):
    """A layer made of `layers` in sequence, which take its dtype policy.

    Args:
        layers: the layers, in the order of the data.
    """

    def __init__(self, layers: list[keras.layers.Layer], **kwargs):
        super().__init__(**kwargs)
        self.stack = self.arranged(layers)
        for layer in self.stack:
            layer.dtype_policy = self.dtype_policy

    def arranged(self, layers: list[keras.layers.Layer]) -> list[keras.layers.Layer]:
        """Returns the layers with those that a subclass puts between."""
        return layers

    def build(self, input_shape) -> None:
        for layer in self.stack:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, inputs, training=None) -> Tensor:
        inputs = ops.cast(inputs, self.compute_dtype)  # whole numbers too, which Keras leaves
        for layer in self.stack:
            if not keeps_shape(layer, inputs.shape):
                # It knows whether this call trains. To say so takes torch a third of a Dense.
                inputs = layer(inputs)
        return inputs

    def compute_output_shape(self, input_shape) -> tuple[int | None, ...]:
        for layer in self.stack:
            input_shape = layer.compute_output_shape(input_shape)
        return tuple(input_shape)


def keeps_shape(layer: keras.layers.Layer, shape) -> bool:
    """Returns whether the layer could only change the shape, and does not."""
    if not isinstance(layer, (keras.layers.Flatten, keras.layers.Reshape)):
        return False
    return tuple(layer.compute_output_shape(tuple(shape))) == tuple(shape)
