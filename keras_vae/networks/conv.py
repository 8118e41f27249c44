"""Convolutional networks, for images of any size."""

import math

import keras
from keras import layers

from keras_vae.networks.stack import Stack
from keras_vae.networks.strided_convolution import StridedConv2D, StridedConv2DTranspose
from keras_vae.saving.registry import serializable
from keras_vae.validation.arguments import check_shape, plain


@serializable(old="ConvEncoder")
class ConvEncoder(Stack):
    """Convolutions of stride 2, then flattened.

    Each layer halves height and width, rounding up: 250, 125, 63, 32, 16.

    Args:
        filters: number of channels of each convolution.
        kernel_size: side of the kernels, in pixels.
        activation: name or function, applied after each convolution.

    Call arguments:
        inputs: images of shape `(batch, height, width, channels)`.

    Returns:
        Features of shape `(batch, height' * width' * filters[-1])`.

    Raises:
        ValueError: if the images, or Keras's image data format, have the channels first.

    Example:
        >>> network = ConvEncoder((64, 128, 256, 512))
    """

    def __init__(
        self, filters: tuple[int, ...] = (32, 64), kernel_size: int = 3, activation="relu", **kwargs
    ):
        check_data_format("ConvEncoder")
        self.filters = check_shape("filters", filters)
        self.kernel_size = plain(kernel_size)
        self.activation = keras.activations.get(activation)
        convolutions = [
            StridedConv2D(n, self.kernel_size, activation=self.activation) for n in self.filters
        ]
        super().__init__([*convolutions, layers.Flatten()], **kwargs)

    def build(self, input_shape) -> None:
        check_channels_last("ConvEncoder", tuple(input_shape[1:]))
        super().build(input_shape)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "activation": keras.activations.serialize(self.activation),
        }


@serializable(old="ConvDecoder")
class ConvDecoder(Stack):
    """A dense layer and transposed convolutions of stride 2: the mirror of `ConvEncoder`.

    The code is projected to the small image that the encoder ends with, of
    `filters[0]` channels; each following convolution doubles height and width,
    cropped to the size that the encoder passed through (16, 32, 63, 125, 250),
    so that `ConvEncoder((64, 128))` is mirrored by `filters=(128, 64)`.

    Args:
        output_shape: `(height, width, channels)` of one sample's params.
        filters: channels of the small image and after each convolution but
            the last, which has those of `output_shape`.
        kernel_size: side of the kernels, in pixels.
        activation: name or function, applied after each layer but the last.
            The output is raw: logits for Bernoulli, means for Gaussian.

    Call arguments:
        inputs: latent codes of shape `(batch, latent_dim)`.

    Returns:
        Params of shape `(batch, height, width, channels)`.

    Raises:
        ValueError: if `output_shape` is not `(height, width, channels)`, or Keras's
            image data format has the channels first.

    Example:
        >>> decoder = ConvDecoder((250, 250, 3), filters=(512, 256, 128, 64))
    """

    def __init__(
        self,
        output_shape: tuple[int, int, int],
        filters: tuple[int, ...] = (64, 32),
        kernel_size: int = 3,
        activation="relu",
        **kwargs,
    ):
        check_data_format("ConvDecoder")
        self.image_shape = check_shape("output_shape", output_shape)
        if len(self.image_shape) != 3:
            raise ValueError(
                "ConvDecoder needs output_shape=(height, width, channels); "
                f"received {self.image_shape}. For other data use DenseDecoder."
            )
        check_channels_last("ConvDecoder", self.image_shape)
        self.filters = check_shape("filters", filters)
        self.kernel_size = plain(kernel_size)
        self.activation = keras.activations.get(activation)

        height, width, channels = self.image_shape
        sizes = [(height, width)]
        for _ in self.filters:
            height, width = math.ceil(height / 2), math.ceil(width / 2)
            sizes.append((height, width))
        sizes.reverse()
        small_image = (*sizes[0], self.filters[0])
        stack = [
            layers.Dense(math.prod(small_image), activation=self.activation),
            layers.Reshape(small_image),
        ]
        for i, n in enumerate((*self.filters[1:], channels)):
            last = i == len(self.filters) - 1
            stack.append(
                StridedConv2DTranspose(
                    n, self.kernel_size, activation=None if last else self.activation
                )
            )
            excess = [(0, 2 * sizes[i][axis] - sizes[i + 1][axis]) for axis in (0, 1)]
            if excess != [(0, 0), (0, 0)]:
                stack.append(layers.Cropping2D(excess))
        super().__init__(stack, **kwargs)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "output_shape": self.image_shape,
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "activation": keras.activations.serialize(self.activation),
        }


def check_data_format(name: str) -> None:
    """Raises a ValueError if Keras is set to images with the channels first."""
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            f"{name} takes images of shape (height, width, channels), but Keras's image data "
            'format is "channels_first". Call keras.config.set_image_data_format("channels_last"), '
            "and move the channels of the data: np.moveaxis(x, 1, -1)."
        )


def check_channels_last(name: str, shape: tuple) -> None:
    """Raises a ValueError if images of that shape look as if they had the channels first."""
    if len(shape) == 3 and shape[0] in (1, 3) and all(n and n > 4 for n in shape[1:]):
        raise ValueError(
            f"{name} takes images of shape (height, width, channels); {shape} has the channels "
            "first. Move them: np.moveaxis(x, 1, -1)."
        )
