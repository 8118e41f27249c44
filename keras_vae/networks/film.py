"""FiLM and Join: the two ways in which a condition's vector enters a layer."""

import keras
from keras import ops

from keras_vae.conditions import Given
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


@serializable()
class FiLM(keras.layers.Layer):
    """Scales and shifts each channel by a condition: γ(c)·h + β(c), with γ and β linear in e(c).

    It starts as the identity, γ = 1 and β = 0 for every c. It stands between a layer and
    its activation; [`ConditionalDenseDecoder`][keras_vae.networks.ConditionalDenseDecoder]
    and its kin place it there with `by="film"`.

    Call arguments:
        inputs: h, `(batch, ..., channels)`, of any rank.
        condition: e(c), `(batch, size)`.

    Returns:
        Shape `(batch, ..., channels)`.

    Reference:
        Perez et al., "FiLM: Visual reasoning with a general conditioning layer", 2018,
        equations 1 and 2.

    Example:
        >>> class Network(keras.layers.Layer):  # of x and e(c)
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.convolution, self.film = keras.layers.Conv2D(32, 3), FiLM()
        ...     def call(self, inputs, condition):
        ...         return ops.relu(self.film(self.convolution(inputs), condition))
    """

    def build(self, inputs_shape, condition_shape) -> None:
        shape = (condition_shape[-1], 2 * inputs_shape[-1])
        self.kernel = self.add_weight(shape, "zeros", name="kernel")
        self.bias = self.add_weight(shape[1:], "zeros", name="bias")

    def call(self, inputs, condition) -> Tensor:
        scale, shift = ops.split(ops.matmul(condition, self.kernel) + self.bias, 2, axis=-1)
        shape = (-1, *[1] * (len(inputs.shape) - 2), inputs.shape[-1])
        return inputs * (1.0 + ops.reshape(scale, shape)) + ops.reshape(shift, shape)

    def compute_output_shape(self, inputs_shape, condition_shape) -> tuple:
        return tuple(inputs_shape)


@serializable()
class Join(keras.layers.Layer):
    """Puts e(c) behind the channels, at each place of an image or a sequence.

    Call arguments:
        inputs: h, `(batch, ..., channels)`, of any rank.
        condition: e(c), `(batch, size)`.

    Returns:
        Shape `(batch, ..., channels + size)`.

    Reference:
        Sohn et al., "Learning structured output representation using deep conditional
        generative models", 2015, section 4.
    """

    def build(self, inputs_shape, condition_shape) -> None:
        pass  # a layer's own takes one shape

    def call(self, inputs, condition) -> Tensor:
        return Given(vector=condition).joined(inputs)

    def compute_output_shape(self, inputs_shape, condition_shape) -> tuple:
        return (*inputs_shape[:-1], inputs_shape[-1] + condition_shape[-1])
