import keras
import numpy as np
import pytest
from helpers import assert_close, make_vae, to_numpy
from keras import layers

import keras_vae as kv
from keras_vae.posteriors.diagonal_normal import MAX_LOG_VAR, MIN_LOG_VAR


class SubclassedNetwork(keras.Model):
    """A network without a `build` of its own and with an output of rank 4."""

    def __init__(self):
        super().__init__()
        self.convolution = layers.Conv2D(3, 3)

    def call(self, inputs):
        return self.convolution(inputs)


def functional_network():
    inputs = keras.Input((8, 8, 1))
    return keras.Model(inputs, layers.Dense(5)(layers.Flatten()(inputs)))


@pytest.mark.parametrize(
    "make_network",
    [
        lambda: None,
        lambda: keras.Sequential([layers.Flatten(), layers.Dense(5, "relu")]),
        functional_network,
        SubclassedNetwork,
    ],
    ids=["default", "sequential", "functional", "subclassed"],
)
def test_any_network(make_network):
    images = np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype("float32")
    z_mean, z_log_var, z = kv.VariationalEncoder(latent_dim=4, network=make_network())(images)
    assert tuple(z_mean.shape) == tuple(z_log_var.shape) == tuple(z.shape) == (6, 4)


def test_default_arguments_on_5000_images():
    images = np.random.default_rng(0).normal(size=(5000, 32, 32, 1)).astype("float32")
    z_mean, z_log_var, z = (to_numpy(t) for t in kv.VariationalEncoder()(images))
    assert z_mean.shape == z_log_var.shape == z.shape == (5000, 2)
    # The noise that was added is standard normal.
    epsilon = (z - z_mean) / np.exp(0.5 * z_log_var)
    assert abs(epsilon.mean()) < 0.05
    assert abs(epsilon.std() - 1.0) < 0.05


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((7,), kv.networks.DenseEncoder), ((9, 4), kv.networks.DenseEncoder),
     ((9, 9, 2), kv.networks.ConvEncoder)],
)  # fmt: skip
def test_default_network_follows_the_rank(shape, kind):
    encoder = kv.VariationalEncoder()
    encoder(np.zeros((2, *shape), "float32"))
    assert type(encoder.network) is kind


def test_posterior_params_are_those_of_the_call_and_draw_nothing():
    encoder = kv.VariationalEncoder(seed=0)
    data = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    z_mean, z_log_var, _ = encoder(data)
    state = to_numpy(encoder.sampler.seed_generator.state)
    mean, log_var = encoder.posterior_params(data).values()
    assert_close(to_numpy(mean), to_numpy(z_mean), rtol=1e-6)
    assert_close(to_numpy(log_var), to_numpy(z_log_var), rtol=1e-6)
    np.testing.assert_array_equal(to_numpy(encoder.sampler.seed_generator.state), state)


def test_log_variance_is_bounded_and_float32_under_float16():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        encoder = kv.VariationalEncoder(2, kv.networks.DenseEncoder((4,)))
        encoder.build((None, 3))
        for bias in (-1e4, 1e4):
            encoder.head.z_log_var_head.bias.assign([bias, 0.0])
            outputs = encoder(np.ones((2, 3), "float32"))
            assert all(keras.backend.standardize_dtype(t.dtype) == "float32" for t in outputs)
            log_var = to_numpy(outputs[1])
            np.testing.assert_allclose(log_var[:, 0], MIN_LOG_VAR if bias < 0 else MAX_LOG_VAR)
            assert np.isfinite(to_numpy(outputs[2])).all()
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_unit_beyond_the_bound_comes_back(x):
    vae = make_vae(optimizer=keras.optimizers.SGD(1e-3))
    vae.build((None, x.shape[1]))
    bias = vae.encoder.head.z_log_var_head.bias
    bias.assign([30.0, 0.0, 0.0])
    vae.train_on_batch(x)
    assert to_numpy(bias)[0] < 30.0


def test_config_round_trip_gives_the_same_function():
    encoder = kv.VariationalEncoder(3, kv.networks.ConvEncoder((4,)), n_samples=2, seed=5)
    images = np.random.default_rng(0).normal(size=(4, 9, 9, 1)).astype("float32")
    encoder(images)
    copy = kv.VariationalEncoder.from_config(encoder.get_config())
    copy.build((None, 9, 9, 1))
    copy.set_weights(encoder.get_weights())
    assert tuple(copy(images)[2].shape) == (2, 4, 3)
    assert_close(to_numpy(copy(images)[0]), to_numpy(encoder(images)[0]), rtol=1e-6)


def test_wrong_use():
    with pytest.raises(ValueError, match="latent_dim must be a positive integer"):
        kv.VariationalEncoder(latent_dim=0)
    with pytest.raises(TypeError, match="must be a Keras layer"):
        kv.VariationalEncoder(network=lambda x: x)
    with pytest.raises(ValueError, match="no default network for inputs of rank 5"):
        kv.VariationalEncoder()(np.zeros((2, 4, 4, 4, 1), "float32"))
