"""Networks that let a condition in at each layer, in place of joining it once."""

import keras
from keras import layers

from keras_vae.networks.conv import ConvDecoder, ConvEncoder, check_channels_last
from keras_vae.networks.dense import DenseDecoder, DenseEncoder
from keras_vae.networks.film import FiLM, Join
from keras_vae.networks.stack import Stack, keeps_shape
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


class Conditional(Stack):
    """The base of networks whose layers each see e(c): to be inherited before a `Stack`.

    Attributes:
        by: `"join"` or `"film"`.
        ends_in_params: whether the last layer's output is raw, which FiLM leaves alone.
    """

    by: str
    ends_in_params = False

    def arranged(self, layers) -> list:
        return _joining(layers) if self.by == "join" else _filmed(layers, self.ends_in_params)

    def build(self, inputs_shape, condition_shape=None) -> None:
        if condition_shape is None:
            name = type(self).__name__
            raise ValueError(
                f"{name} takes a condition, which this VAE lacks: give it one that has a vector, "
                "VAE(..., condition=keras_vae.conditions.OneHot(10)), or take a "
                f"{name.removeprefix('Conditional')}."
            )
        for layer in self.stack:
            also = (condition_shape,) if _sees_condition(layer) else ()
            layer.build(inputs_shape, *also)
            inputs_shape = layer.compute_output_shape(inputs_shape, *also)

    def call(  # type: ignore[override]  # two inputs
        self, inputs, condition=None, training=None
    ) -> Tensor:
        inputs = keras.ops.cast(inputs, self.compute_dtype)
        for layer in self.stack:
            if _sees_condition(layer):
                inputs = layer(inputs, condition)
            elif not keeps_shape(layer, inputs.shape):
                inputs = layer(inputs)
        return inputs

    def compute_output_shape(self, inputs_shape, condition_shape=None) -> tuple[int | None, ...]:
        for layer in self.stack:
            also = (condition_shape,) if _sees_condition(layer) else ()
            inputs_shape = layer.compute_output_shape(inputs_shape, *also)
        return tuple(inputs_shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "by": self.by}


def _sees_condition(layer):
    return isinstance(layer, (FiLM, Join))


def _has_weights(layer):
    return isinstance(layer, (layers.Dense, layers.Conv2D, layers.Conv2DTranspose))


def _joining(stack):
    """Returns layers with a `Join` before each that has weights."""
    return [
        part for layer in stack for part in ([Join(), layer] if _has_weights(layer) else [layer])
    ]


def _filmed(stack, ends_in_params):
    """Returns layers with FiLM between each that has weights and its activation."""
    weighted = [layer for layer in stack if _has_weights(layer)]
    found, activation = [], None
    for layer, following in zip(stack, [*stack[1:], None], strict=True):
        found.append(layer)
        if layer in weighted[: -1 if ends_in_params else None]:
            activation, layer.activation = layer.activation, keras.activations.linear
        # A channel is one of the image that a dense layer's output becomes.
        if activation is not None and not isinstance(following, layers.Reshape):
            found += [FiLM(), layers.Activation(activation)]
            activation = None
    return found


def _checked(by):
    if by not in ("join", "film"):
        raise ValueError(f'by must be "join" or "film"; received {by!r}.')
    return by


@serializable()
class ConditionalDenseEncoder(Conditional, DenseEncoder):
    """A `DenseEncoder` each of whose layers sees the condition.

    For a VAE that has a condition, of which it takes the vector e(c) itself.

    Args:
        units: width of each layer.
        activation: name or function, applied after each layer.
        by: `"join"` puts e(c) beside the input of each layer; `"film"` scales and shifts its
            output before the activation, see [`FiLM`][keras_vae.networks.FiLM].

    Call arguments:
        inputs: shape `(batch, *features)`.
        condition: e(c), `(batch, size)`.

    Returns:
        Features of shape `(batch, units[-1])`.

    Raises:
        ValueError: if `by` is neither, or when built without a condition.

    Example:
        >>> encoder = VariationalEncoder(10, ConditionalDenseEncoder((256, 256), by="film"))
        >>> decoder = ConditionalDenseDecoder((28, 28, 1), (256, 256), by="film")
        >>> vae = VAE(encoder, decoder, condition=keras_vae.conditions.OneHot(10))
    """

    def __init__(
        self, units: tuple[int, ...] = (256, 256), activation="relu", by: str = "join", **kwargs
    ):
        self.by = _checked(by)
        super().__init__(units, activation, **kwargs)


@serializable()
class ConditionalDenseDecoder(Conditional, DenseDecoder):
    """A `DenseDecoder` each of whose layers sees the condition.

    For a VAE that has a condition, of which it takes the vector e(c) itself: deep decoders
    forget a c that joins the code alone.

    Args:
        output_shape: shape of one sample's params, without the batch.
        units: width of each hidden layer.
        activation: name or function, applied after each hidden layer.
        by: `"join"` puts e(c) beside the input of each layer; `"film"` scales and shifts the
            output of each hidden one before the activation.

    Call arguments:
        inputs: latent codes of shape `(batch, latent_dim)`.
        condition: e(c), `(batch, size)`.

    Returns:
        Params of shape `(batch, *output_shape)`.

    Raises:
        ValueError: if `by` is neither, or when built without a condition.
    """

    ends_in_params = True

    def __init__(
        self,
        output_shape,
        units: tuple[int, ...] = (256, 256),
        activation="relu",
        by: str = "join",
        **kwargs,
    ):
        self.by = _checked(by)
        super().__init__(output_shape, units, activation, **kwargs)


@serializable()
class ConditionalConvEncoder(Conditional, ConvEncoder):
    """A `ConvEncoder` each of whose convolutions sees the condition.

    Args:
        filters: number of channels of each convolution.
        kernel_size: side of the kernels, in pixels.
        activation: name or function, applied after each convolution.
        by: `"film"` scales and shifts the channels before each activation; `"join"` puts
            e(c) beside those of the input, at each pixel, which takes longer.

    Call arguments:
        inputs: images of shape `(batch, height, width, channels)`.
        condition: e(c), `(batch, size)`.

    Returns:
        Features of shape `(batch, height' * width' * filters[-1])`.

    Raises:
        ValueError: as of `ConvEncoder`, if `by` is neither, or when built without a condition.
    """

    def __init__(
        self,
        filters: tuple[int, ...] = (32, 64),
        kernel_size: int = 3,
        activation="relu",
        by: str = "film",
        **kwargs,
    ):
        self.by = _checked(by)
        super().__init__(filters, kernel_size, activation, **kwargs)

    def build(self, inputs_shape, condition_shape=None) -> None:
        check_channels_last(type(self).__name__, tuple(inputs_shape[1:]))
        super().build(inputs_shape, condition_shape)


@serializable()
class ConditionalConvDecoder(Conditional, ConvDecoder):
    """A `ConvDecoder` each of whose layers sees the condition.

    Args:
        output_shape: `(height, width, channels)` of one sample's params.
        filters: as of `ConvDecoder`.
        kernel_size: side of the kernels, in pixels.
        activation: name or function, applied after each layer but the last.
        by: as of `ConditionalConvEncoder`; FiLM leaves the last layer's raw output alone.

    Call arguments:
        inputs: latent codes of shape `(batch, latent_dim)`.
        condition: e(c), `(batch, size)`.

    Returns:
        Params of shape `(batch, height, width, channels)`.

    Raises:
        ValueError: as of `ConvDecoder`, if `by` is neither, or when built without a condition.
    """

    ends_in_params = True

    def __init__(
        self,
        output_shape: tuple[int, int, int],
        filters: tuple[int, ...] = (64, 32),
        kernel_size: int = 3,
        activation="relu",
        by: str = "film",
        **kwargs,
    ):
        self.by = _checked(by)
        super().__init__(output_shape, filters, kernel_size, activation, **kwargs)
