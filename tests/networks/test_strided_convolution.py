"""Convolutions of stride 2 against Keras's own layers."""

import keras
import numpy as np
import pytest
from helpers import gradient, set_same_weights, to_numpy

from keras_vae import backend
from keras_vae.networks.strided_convolution import StridedConv2D, StridedConv2DTranspose

PAIRS = [
    (StridedConv2D, keras.layers.Conv2D),
    (StridedConv2DTranspose, keras.layers.Conv2DTranspose),
]


@pytest.mark.parametrize(("own", "of_keras"), PAIRS, ids=["conv", "transposed"])
@pytest.mark.parametrize("kernel_size", [1, 3, 4])
@pytest.mark.parametrize("image", [(8, 8), (7, 5)], ids=str)
def test_the_values_are_those_of_keras(own, of_keras, kernel_size, image, monkeypatch):
    # Products of matrices on each backend, not only where they are faster.
    monkeypatch.setattr(backend, "convolves_by_matrices", lambda: True)
    x = np.random.default_rng(0).normal(size=(2, *image, 3)).astype("float32")
    layer = own(4, kernel_size, activation="tanh")
    expected = of_keras(4, kernel_size, strides=2, padding="same", activation="tanh")
    for either in (layer, expected):
        either.build(x.shape)
        set_same_weights(either)
    outputs = to_numpy(layer(x))
    np.testing.assert_allclose(outputs, to_numpy(expected(x)), atol=1e-5)
    assert outputs.shape == tuple(layer.compute_output_shape(x.shape))
    np.testing.assert_allclose(gradient(layer, x), gradient(expected, x), atol=1e-4)


def test_they_are_used_on_jax_on_a_cpu():
    on_jax = keras.backend.backend() == "jax"
    if on_jax:
        import jax

        on_jax = jax.default_backend() == "cpu"
    assert backend.convolves_by_matrices() == on_jax
