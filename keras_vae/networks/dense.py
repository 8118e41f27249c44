"""Dense networks, for vectors and for anything that may be flattened."""

import math

import keras
from keras import layers

from keras_vae.networks.stack import Stack
from keras_vae.saving.registry import serializable
from keras_vae.validation.arguments import check_shape


@serializable(old="DenseEncoder")
class DenseEncoder(Stack):
    """Flattens its input and applies dense layers.

    Args:
        units: width of each layer.
        activation: name or function, applied after each layer.

    Call arguments:
        inputs: shape `(batch, *features)`.

    Returns:
        Features of shape `(batch, units[-1])`.

    Example:
        >>> network = DenseEncoder((400, 400), activation="leaky_relu")
    """

    def __init__(self, units: tuple[int, ...] = (256, 256), activation="relu", **kwargs):
        self.units = check_shape("units", units)
        self.activation = keras.activations.get(activation)
        dense = [layers.Dense(n, activation=self.activation) for n in self.units]
        super().__init__([layers.Flatten(), *dense], **kwargs)

    def get_config(self) -> dict:
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "units": self.units, "activation": activation}


@serializable(old="DenseDecoder")
class DenseDecoder(Stack):
    """Dense layers from a latent code to raw params of shape `output_shape`.

    The mirror of `DenseEncoder` has its units in the opposite order.

    Args:
        output_shape: shape of one sample's params, without the batch.
        units: width of each hidden layer.
        activation: name or function, applied after each hidden layer. The
            output is raw: logits for Bernoulli, means for Gaussian.

    Call arguments:
        inputs: latent codes of shape `(batch, latent_dim)`.

    Returns:
        Params of shape `(batch, *output_shape)`.

    Example:
        >>> decoder = DenseDecoder((28, 28, 1), units=(400, 400))
    """

    def __init__(
        self, output_shape, units: tuple[int, ...] = (256, 256), activation="relu", **kwargs
    ):
        self.data_shape = check_shape("output_shape", output_shape)
        self.units = check_shape("units", units)
        self.activation = keras.activations.get(activation)
        hidden = [layers.Dense(n, activation=self.activation) for n in self.units]
        output = [layers.Dense(math.prod(self.data_shape)), layers.Reshape(self.data_shape)]
        super().__init__(hidden + output, **kwargs)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "output_shape": self.data_shape,
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
        }
