"""Convolutions of stride 2, computed otherwise than by Keras where that is faster."""

import keras
from keras import ops

from keras_vae import backend
from keras_vae.typing import Tensor


class StridedConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` of stride 2 and padding "same", which halves an image.

    On JAX's CPU it is one product of matrices, on torch a convolution without copies into
    another order of the axes, see `keras_vae.backend`.

    Args:
        filters: number of output channels.
        kernel_size: side of the kernel, in pixels.
        activation: name or function.

    Reference:
        Chellapilla, Puri & Simard, "High performance convolutional neural
        networks for document processing", 2006, section 3.1.
    """

    convolves_by_matrices = True  # where keras_vae.backend says so

    def __init__(self, filters: int, kernel_size: int, activation=None):
        super().__init__(filters, kernel_size, strides=2, padding="same", activation=activation)

    def call(self, inputs) -> Tensor:
        if backend.strided_convolution is None or self.data_format != "channels_last":
            return super().call(inputs)
        padding = [_same_padding(length, self.kernel_size[0]) for length in inputs.shape[1:3]]
        return self.activation(backend.strided_convolution(inputs, *_weights(self), padding))

    def convolution_op(self, inputs, kernel) -> Tensor:
        if not backend.convolves_by_matrices():
            return super().convolution_op(inputs, kernel)
        size, image = kernel.shape[0], inputs.shape[1:3]
        padding = [_same_padding(length, size) for length in image]
        inputs = ops.pad(inputs, [(0, 0), *padding, (0, 0)])
        height, width = ((length + 1) // 2 for length in image)
        # Under each element of the kernel, the pixels that it meets.
        pixels = [
            inputs[:, i : i + 2 * height - 1 : 2, j : j + 2 * width - 1 : 2]
            for i in range(size)
            for j in range(size)
        ]
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
        return ops.matmul(ops.concatenate(pixels, axis=-1), matrix)


class StridedConv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` of stride 2 and padding "same", which doubles an image.

    The arguments are those of `StridedConv2D`.
    """

    convolves_by_matrices = True  # where keras_vae.backend says so

    def __init__(self, filters: int, kernel_size: int, activation=None):
        super().__init__(filters, kernel_size, strides=2, padding="same", activation=activation)

    def call(self, inputs) -> Tensor:
        convolve = backend.strided_convolution_transpose
        if convolve is not None and self.data_format == "channels_last":
            padding = [_same_padding(2 * n, self.kernel_size[0]) for n in inputs.shape[1:3]]
            return self.activation(convolve(inputs, *_weights(self), padding))
        if not backend.convolves_by_matrices():
            return super().call(inputs)
        size, (height, width), channels = self.kernel_size[0], inputs.shape[1:3], self.filters
        half = (size + 1) // 2
        kernel = ops.pad(self.kernel, [(0, 2 * half - size)] * 2 + [(0, 0)] * 2)
        # Each pixel gives half x half blocks of 2 x 2 pixels; those that fall together are added.
        kernel = ops.reshape(kernel, (half, 2, half, 2, channels, -1))
        matrix = ops.reshape(ops.transpose(kernel, (5, 0, 2, 1, 3, 4)), (inputs.shape[-1], -1))
        blocks = ops.reshape(
            ops.matmul(inputs, matrix), (-1, height, width, half, half, 4 * channels)
        )
        image = sum(
            ops.pad(blocks[:, :, :, i, j], [(0, 0), (i, half - 1 - i), (j, half - 1 - j), (0, 0)])
            for i in range(half)
            for j in range(half)
        )
        n_rows, n_columns = height + half - 1, width + half - 1
        image = ops.reshape(image, (-1, n_rows, n_columns, 2, 2, channels))
        image = ops.transpose(image, (0, 1, 3, 2, 4, 5))
        image = ops.reshape(image, (-1, 2 * n_rows, 2 * n_columns, channels))
        top, left = (_same_padding(2 * length, size)[0] for length in (height, width))
        image = image[:, top : top + 2 * height, left : left + 2 * width]
        return self.activation(image + self.bias)


def _weights(layer):
    return ops.convert_to_tensor(layer.kernel), ops.convert_to_tensor(layer.bias)


def _same_padding(length, kernel_size):
    total = max(2 * ((length - 1) // 2) + kernel_size - length, 0)
    return total // 2, total - total // 2
