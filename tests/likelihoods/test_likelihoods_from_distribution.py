"""Likelihoods made of TensorFlow Probability distributions."""

import keras
import numpy as np
import pytest
from helpers import assert_close, gradient, to_numpy
from scipy import stats
from test_likelihoods import COUNTS, LOGITS, REALS, blocks, built

import keras_vae as kv
from keras_vae.likelihoods import FromDistribution, Masked

IS_TENSORFLOW = keras.backend.backend() == "tensorflow"
on_tensorflow = pytest.mark.skipif(not IS_TENSORFLOW, reason="TensorFlow backend only")
POSITIVE = np.exp(REALS)
MASK = np.random.default_rng(2).random((5, 4, 3)) < 0.5


@keras.saving.register_keras_serializable(package="tests")
def normal(params, log_sigma):
    import tensorflow as tf
    from tensorflow_probability import distributions as tfd

    return tfd.Normal(params, tf.exp(log_sigma))


def independent(params):
    from tensorflow_probability import distributions as tfd

    return tfd.Independent(tfd.Normal(params, 0.5), 2)


def log_normal(params):
    from tensorflow_probability import distributions as tfd

    return tfd.LogNormal(params, 0.5)


@on_tensorflow
def test_log_prob_mean_and_samples_of_a_distribution_per_feature():
    sigma = np.linspace(0.2, 1.5, 12).reshape(4, 3)
    likelihood = built(FromDistribution(normal, weights={"log_sigma": np.log(sigma)}))
    assert [w.shape for w in likelihood.trainable_variables] == [(4, 3)]
    expected = stats.norm.logpdf(REALS, LOGITS, sigma).sum(axis=(1, 2))
    assert_close(likelihood.log_prob(REALS, LOGITS), expected, rtol=1e-4)
    two = likelihood.log_prob(REALS, np.stack([LOGITS, LOGITS]))
    assert_close(two, [expected, expected], rtol=1e-4)
    np.testing.assert_allclose(likelihood.mean(LOGITS), LOGITS)
    n = 4000
    draws = to_numpy(likelihood.sample(np.repeat(LOGITS[:1], n, axis=0), seed=1))
    assert draws.dtype == "float32"
    assert (np.abs(draws.mean(axis=0) - LOGITS[0]) < 5.0 * sigma / np.sqrt(n)).all()
    np.testing.assert_allclose(draws.std(axis=0), sigma, rtol=5.0 / np.sqrt(2 * n))


@on_tensorflow
def test_seeds():
    likelihood = built(FromDistribution(log_normal))
    same = [to_numpy(likelihood.sample(LOGITS, seed=1)) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    generator = keras.random.SeedGenerator(1)
    other = [to_numpy(likelihood.sample(LOGITS, seed=generator)) for _ in range(2)]
    assert not np.array_equal(*other)


@on_tensorflow
def test_a_weight_gets_a_gradient():
    import tensorflow as tf

    likelihood = built(FromDistribution(normal, weights={"log_sigma": 0.0}))
    (weight,) = likelihood.trainable_variables
    with tf.GradientTape() as tape:
        log_prob = tf.reduce_sum(likelihood.log_prob(REALS, LOGITS))
    expected = ((REALS - LOGITS) ** 2 - 1.0).sum()
    np.testing.assert_allclose(tape.gradient(log_prob, weight.value), expected, rtol=1e-4)


@on_tensorflow
def test_a_distribution_over_whole_samples_gives_their_log_prob_but_takes_no_mask():
    likelihood = built(FromDistribution(independent))
    expected = stats.norm.logpdf(REALS, LOGITS, 0.5).sum(axis=(1, 2))
    assert_close(likelihood.log_prob(REALS, LOGITS), expected, rtol=1e-4)
    two = likelihood.log_prob(REALS, np.stack([LOGITS, LOGITS]))
    assert_close(two, [expected, expected], rtol=1e-4)
    with pytest.raises(ValueError, match=r"whole event of shape \(4, 3\).*tfd.Independent"):
        likelihood.log_prob(REALS, LOGITS, mask=MASK)
    with pytest.raises(ValueError, match="single features cannot be masked"):
        Masked(likelihood).log_prob(REALS, LOGITS)


@on_tensorflow
def test_a_distribution_over_some_axes_is_summed_over_the_others():
    from tensorflow_probability import distributions as tfd

    likelihood = built(FromDistribution(lambda p: tfd.Independent(tfd.Normal(p, 0.5), 1)))
    expected = stats.norm.logpdf(REALS, LOGITS, 0.5).sum(axis=(1, 2))
    assert_close(likelihood.log_prob(REALS, LOGITS), expected, rtol=1e-4)
    likelihood = built(FromDistribution(lambda p: tfd.Independent(tfd.Normal(p, 0.5), 3)))
    with pytest.raises(ValueError, match=r"2 axes of features.*events of shape \(5, 4, 3\)"):
        likelihood.log_prob(REALS, LOGITS)


@on_tensorflow
def test_masked_features_cost_nothing_even_where_zero_is_no_possible_value():
    likelihood = built(Masked(FromDistribution(log_normal)))
    holes = np.where(MASK, POSITIVE, np.nan)
    elementwise = stats.lognorm.logpdf(POSITIVE, 0.5, scale=np.exp(LOGITS))
    assert_close(
        likelihood.log_prob(holes, LOGITS), (elementwise * MASK).sum(axis=(1, 2)), rtol=1e-4
    )
    result = gradient(lambda p: likelihood.log_prob(holes, p), LOGITS)
    full = gradient(lambda p: likelihood.log_prob(POSITIVE, p), LOGITS)
    assert_close(result, np.where(MASK, full, 0.0), rtol=1e-5)


@on_tensorflow
def test_several_params_per_feature_and_discrete_distributions():
    from tensorflow_probability import distributions as tfd

    def negative_binomial(params):
        log_theta, logits = keras.ops.split(params, 2, axis=-1)
        return tfd.NegativeBinomial(keras.ops.exp(log_theta), logits=logits)

    likelihood = built(FromDistribution(negative_binomial, params_per_feature=2))
    assert likelihood.params_per_feature == 2
    params = blocks(REALS, LOGITS)
    p = 1.0 / (1.0 + np.exp(LOGITS))
    expected = stats.nbinom.logpmf(COUNTS, np.exp(REALS), p).sum(axis=(1, 2))
    assert_close(likelihood.log_prob(COUNTS, params), expected, rtol=1e-4)
    assert to_numpy(likelihood.sample(params, seed=1)).shape == COUNTS.shape


@on_tensorflow
def test_config_round_trip():
    likelihood = built(
        FromDistribution(normal, weights={"log_sigma": np.zeros((4, 3))}, params_per_feature=1)
    )
    likelihood.set_weights([np.full((4, 3), 0.4)])
    config = keras.saving.serialize_keras_object(likelihood)
    copy = built(kv.likelihoods.get(config))
    copy.set_weights(likelihood.get_weights())
    np.testing.assert_array_equal(copy.log_prob(REALS, LOGITS), likelihood.log_prob(REALS, LOGITS))


@on_tensorflow
def test_wrong_arguments():
    with pytest.raises(TypeError, match=r"function must be a function to a tfd.Distribution"):
        FromDistribution(3)
    with pytest.raises(ValueError, match="params_per_feature must be a positive integer"):
        FromDistribution(normal, params_per_feature=0)


@pytest.mark.skipif(IS_TENSORFLOW, reason="for the other backends")
def test_other_backends_say_what_to_do():
    with pytest.raises(RuntimeError, match="KERAS_BACKEND=tensorflow"):
        FromDistribution(normal, weights={"log_sigma": 0.0})
