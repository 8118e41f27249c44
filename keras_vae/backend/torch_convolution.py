"""Convolutions of stride 2 on torch, which stay in the order of Keras: channels last.

Keras's own copy each image into the other order and back, and cut off what padding adds.
"""

import torch
from torch.nn import functional


def _as_torch(inputs, kernel):
    # The images are of torch's own order "channels last" already; the kernel is copied.
    kernel = kernel.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    return inputs.permute(0, 3, 1, 2), kernel


def strided_convolution(inputs, kernel, bias, padding: list) -> torch.Tensor:
    """Returns images of half the size, see tensorflow.py for the arguments."""
    image, kernel = _as_torch(inputs, kernel)
    even = [before for before, after in padding if before == after]
    if len(even) != len(padding):
        (top, bottom), (left, right) = padding
        image, even = functional.pad(image, (left, right, top, bottom)), [0, 0]
    image = functional.conv2d(image, kernel, bias, stride=2, padding=even)
    return image.permute(0, 2, 3, 1)


def strided_convolution_transpose(inputs, kernel, bias, padding: list) -> torch.Tensor:
    """Returns images of twice the size, padded by what a convolution back takes away."""
    image, kernel = _as_torch(inputs, kernel)
    before = [first for first, _ in padding]
    height, width = 2 * inputs.shape[1], 2 * inputs.shape[2]
    missing = [int(kernel.shape[-1] == 1)] * 2
    image = functional.conv_transpose2d(image, kernel, bias, 2, before, output_padding=missing)
    if image.shape[2:] != (height, width):
        image = image[:, :, :height, :width]
    return image.permute(0, 2, 3, 1)
