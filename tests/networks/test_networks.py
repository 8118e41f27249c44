import itertools
import math

import keras
import numpy as np
import pytest
from helpers import assert_close, to_numpy

import keras_vae as kv
from keras_vae.networks import ConvDecoder, ConvEncoder, DenseDecoder, DenseEncoder
from keras_vae.networks.stack import Stack


def dense_count(*sizes):
    return sum(n * m + m for n, m in itertools.pairwise(sizes))


def test_mlp_of_784_400_400_200():
    vae = kv.VAE(
        kv.VariationalEncoder(200, DenseEncoder((400, 400), activation="leaky_relu")),
        DenseDecoder(784, (400, 400), activation="leaky_relu"),
    )
    vae.build((None, 784))
    expected = dense_count(784, 400, 400, 200) + dense_count(400, 200)
    expected += dense_count(200, 400, 400, 784)
    assert vae.count_params() == expected == 1_189_984
    # Keras's default slope is the one of the architecture.
    activation = vae.encoder.network.activation
    np.testing.assert_allclose(float(activation(np.float32(-1.0))), -0.2, rtol=1e-6)


def test_conv_vae_of_250_by_250():
    encoder = kv.VariationalEncoder(128, ConvEncoder((64, 128, 256, 512)))
    decoder = ConvDecoder((250, 250, 3), filters=(512, 256, 128, 64))
    sizes, shape = [], (None, 250, 250, 3)
    for layer in encoder.network.stack[:-1]:
        shape = layer.compute_output_shape(shape)
        sizes.append(shape[1:])
    assert sizes == [(125, 125, 64), (63, 63, 128), (32, 32, 256), (16, 16, 512)]

    passed, shape = [], (None, 128)
    for layer in decoder.stack:
        shape = layer.compute_output_shape(shape)
        passed.append(tuple(shape[1:]))
    for size in (16, 32, 63, 125, 250):
        assert any(s[:2] == (size, size) for s in passed)
    assert decoder.compute_output_shape((None, 128)) == (None, 250, 250, 3)

    encoder.build((None, 250, 250, 3))
    decoder.build((None, 128))
    channels = (3, 64, 128, 256, 512)
    kernels = sum(9 * n * m for n, m in itertools.pairwise(channels))
    features = 16 * 16 * 512
    assert encoder.count_params() == kernels + sum(channels[1:]) + 2 * (features * 128 + 128)
    assert decoder.count_params() == dense_count(128, features) + kernels + sum(channels[:-1])


@pytest.mark.parametrize(
    ("size", "kernel_size"), [((1, 1), 3), ((28, 28), 4), ((29, 31), 3), ((50, 25), 4)]
)
def test_conv_decoder_mirrors_the_encoder_at_any_size(size, kernel_size):
    encoder = ConvEncoder((4, 6, 8), kernel_size=kernel_size)
    decoder = ConvDecoder((*size, 2), filters=(8, 6, 4), kernel_size=kernel_size)
    features = encoder(np.zeros((2, *size, 2), "float32"))
    assert features.shape[-1] == math.prod(decoder.stack[1].target_shape)
    assert tuple(decoder(np.zeros((2, 5), "float32")).shape) == (2, *size, 2)


def test_output_is_raw():
    z = np.random.default_rng(0).normal(scale=5.0, size=(64, 3)).astype("float32")
    for decoder in (DenseDecoder((4, 4, 1)), ConvDecoder((4, 4, 1))):
        out = to_numpy(decoder(z))
        assert out.min() < 0 < out.max()


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (DenseEncoder((5, 4), activation="tanh"), (2, 3)),
        (DenseDecoder((2, 3), units=5, activation="gelu"), (2, 3)),
        (ConvEncoder((2, 3), kernel_size=5, activation="elu"), (2, 8, 8, 1)),
        (ConvDecoder((7, 8, 1), (3, 2), activation="leaky_relu"), (2, 3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_config_round_trip(network, shape):
    data = np.random.default_rng(0).normal(size=shape).astype("float32")
    expected = network(data)
    copy = type(network).from_config(network.get_config())
    copy.build(shape)
    copy.set_weights(network.get_weights())
    assert_close(to_numpy(copy(data)), to_numpy(expected), rtol=1e-6)


@pytest.mark.parametrize("shape", [(6,), (2, 3)])
def test_the_networks_are_their_layers_one_after_the_other(shape):
    x = np.random.default_rng(0).normal(size=(5, *shape)).astype("float32")
    encoder, decoder = DenseEncoder((4, 2)), DenseDecoder(shape, (4,))
    encoder.build((None, *shape))
    decoder.build((None, 2))
    features = x.reshape(5, 6)
    weights = encoder.get_weights()
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        features = np.maximum(features @ kernel + bias, 0.0)
    hidden, hidden_bias, output, bias = decoder.get_weights()
    params = np.maximum(features @ hidden + hidden_bias, 0.0) @ output + bias
    found = encoder(x)
    assert_close(to_numpy(found), features, rtol=1e-6)
    assert_close(to_numpy(decoder(found)), params.reshape(5, *shape), rtol=1e-6)


class Opposite(keras.layers.Layer):
    """Calls a layer in the other mode."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x, training=None):
        return self.layer(x, training=not training)


@pytest.mark.parametrize("training", [True, False])
def test_layers_of_a_stack_train_where_it_does(training):
    x = np.ones((1, 1000), "float32")
    stack = Stack([keras.layers.Flatten(), keras.layers.Dropout(0.5)])
    stack.build(x.shape)
    assert (to_numpy(stack(x, training=training)) == 0.0).any() == training
    assert (to_numpy(Opposite(stack)(x, training=training)) == 0.0).any() != training
    assert not (to_numpy(stack(x)) == 0.0).any()


def test_wrong_use():
    with pytest.raises(ValueError, match="units must hold positive integers"):
        DenseEncoder((4, 0))
    with pytest.raises(ValueError, match="height, width, channels"):
        ConvDecoder((28, 28))


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 5, 40)])
def test_images_with_the_channels_first_are_refused(shape):
    x = np.zeros((4, *shape), "float32")
    for network in (None, ConvEncoder((4,))):
        vae = kv.VAE(kv.VariationalEncoder(2, network), DenseDecoder(shape))
        vae.compile("adam")
        with pytest.raises(ValueError, match=r"channels first.*np.moveaxis\(x, 1, -1\)"):
            vae.fit(x, verbose=0)
    with pytest.raises(ValueError, match=r"ConvDecoder takes images.*channels first"):
        ConvDecoder(shape)


@pytest.mark.parametrize("shape", [(3, 3, 3), (1, 28, 3), (28, 1, 1), (3, 28, 1)])
def test_small_images_are_not_taken_for_such(shape):
    ConvEncoder((4,)).build((None, *shape))
    ConvDecoder(shape, (4,))


def test_the_data_format_channels_first_is_refused():
    keras.config.set_image_data_format("channels_first")
    try:
        for make in (ConvEncoder, lambda: ConvDecoder((28, 28, 1))):
            with pytest.raises(ValueError, match=r"channels_first.*set_image_data_format"):
                make()
        vae = kv.VAE(kv.VariationalEncoder(2), DenseDecoder((3, 32, 32)))
        with pytest.raises(ValueError, match=r"channels_first.*set_image_data_format"):
            vae.build((None, 3, 32, 32))
    finally:
        keras.config.set_image_data_format("channels_last")
