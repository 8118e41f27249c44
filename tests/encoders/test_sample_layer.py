import keras
import numpy as np
import pytest
from helpers import assert_close, to_numpy
from scipy import stats

from keras_vae import SampleLayer
from keras_vae.backend import normal


def moments(n=4000, mean=1.5, log_var=-1.0):
    return np.full((n, 2), mean, "float32"), np.full((n, 2), log_var, "float32")


def test_draws_follow_the_normal_of_mean_and_log_variance():
    z = to_numpy(SampleLayer(seed=1)(moments()))
    assert z.shape == (4000, 2)
    p_value = stats.kstest(z.ravel(), stats.norm(1.5, np.exp(-0.5)).cdf).pvalue
    assert p_value > 1e-3


def test_z_is_mean_plus_sigma_times_one_noise():
    zeros = np.zeros((5, 2), "float32")
    epsilon = to_numpy(SampleLayer(seed=3)((zeros, zeros)))
    z = to_numpy(SampleLayer(seed=3)((zeros + 2.0, zeros + np.log(9.0))))
    assert_close(z, 2.0 + 3.0 * epsilon, rtol=1e-5)


def test_two_calls_and_two_samples_differ():
    layer = SampleLayer(n_samples=2)
    first, second = (to_numpy(layer(moments(3))) for _ in range(2))
    assert not np.allclose(first, second)
    assert not np.allclose(first[0], first[1])


@pytest.mark.parametrize(
    ("own", "call", "shape"),
    [
        (None, None, (3, 2)),
        (None, 7, (7, 3, 2)),
        (4, None, (4, 3, 2)),
        (4, 1, (1, 3, 2)),
    ],
)
def test_any_number_of_samples(own, call, shape):
    z = SampleLayer(n_samples=own)(moments(3), n_samples=call)
    assert tuple(z.shape) == shape


def test_seed_repeats_draws_and_survives_a_config_round_trip():
    layer = SampleLayer(n_samples=3, seed=11)
    copy = SampleLayer.from_config(layer.get_config())
    np.testing.assert_array_equal(to_numpy(layer(moments(3))), to_numpy(copy(moments(3))))


def test_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        z = SampleLayer()((np.zeros((2, 2), "float16"), np.full((2, 2), 20.0, "float16")))
    finally:
        keras.config.set_dtype_policy("float32")
    assert keras.backend.standardize_dtype(z.dtype) == "float32"
    assert np.isfinite(to_numpy(z)).all()


def test_wrong_use():
    with pytest.raises(ValueError, match="n_samples must be a positive integer"):
        SampleLayer(n_samples=0)
    with pytest.raises(ValueError, match="one shape"):
        SampleLayer()((np.zeros((4, 2)), np.zeros((4, 3))))


def test_noise_is_normal_and_the_same_under_xla():
    seeds = keras.random.SeedGenerator(7)
    noise = to_numpy(normal((200_000,), seeds))
    # The largest distance between the distribution functions has this 99.9 % quantile.
    assert stats.kstest(noise, "norm").statistic < 1.95 / np.sqrt(noise.size)
    assert np.isfinite(noise).all() and np.abs(noise).max() > 4.0
    again = to_numpy(normal((200_000,), seeds))
    assert abs(np.corrcoef(noise, again)[0, 1]) < 0.01
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        compiled = tf.function(
            lambda: normal((200_000,), keras_seed), jit_compile=True, autograph=False
        )
        keras_seed = keras.random.SeedGenerator(7)
        np.testing.assert_allclose(compiled().numpy(), noise, atol=1e-4)
