"""Draws of likelihoods are the quantiles of their noise, at its edges too."""

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, gradient, make_vae, set_same_weights, to_numpy
from scipy import special

import keras_vae as kv
from keras_vae.likelihoods import Categorical, ContinuousBernoulli, Gaussian, Laplace
from keras_vae.numerics.straight_through import bounded, tamed
from keras_vae.numerics.weighted_mean import weighted_mean

STEP = 2.0**-24


@pytest.fixture
def fix_uniform(monkeypatch):
    def fix(noise):
        noise = keras.ops.convert_to_tensor(np.asarray(noise, "float32"))
        monkeypatch.setattr(keras.random, "uniform", lambda *args, **kwargs: noise)

    return fix


@pytest.mark.parametrize("from_logits", [True, False])
def test_continuous_bernoulli_near_the_uniform(fix_uniform, from_logits):
    logits = np.array([0.0, 1e-6, 1e-3, 0.0199, 0.0201, 0.3, 0.99, 1.01, 5.0, 30.0, 120.0])
    logits = np.concatenate([-logits, logits])
    logits = logits if from_logits else logits[np.abs(logits) < 10]
    u, logits = (a.ravel() for a in np.meshgrid([0.0, 1e-5, 0.1, 0.5, 0.77, 1 - STEP], logits))
    params = (logits if from_logits else special.expit(logits)).astype("float32")
    wide = params.astype("f8") if from_logits else special.logit(params.astype("f8"))
    fix_uniform(u)
    draws = to_numpy(ContinuousBernoulli(from_logits).sample(params))
    # F(x) = (e^(l x) - 1) / (e^l - 1); for l < 0 the mirror image, where less cancels.
    size = np.maximum(np.abs(wide), 1e-12)
    v = np.where(wide > 0, np.float32(u).astype("f8"), 1 - np.float32(u).astype("f8"))
    near, far = np.log1p((1.0 - v) * np.expm1(-size)), np.log(v + (1.0 - v) * np.exp(-size))
    expected = 1.0 + np.where(size < 1.0, near, far) / size
    expected = np.where(wide > 0, expected, 1.0 - expected)
    np.testing.assert_allclose(draws, np.clip(expected, 0.0, 1.0), atol=2e-6)


def test_laplace_draws_stay_within_the_steps_of_their_noise(fix_uniform):
    u = np.array([-0.5, -0.5 + STEP, -0.25, 0.0, 0.1, 0.5 - 2 * STEP])
    fix_uniform(u)
    draws = to_numpy(Laplace(2.0).sample(np.full(6, 3.0, "float32")))
    assert np.isfinite(draws).all()
    assert np.abs(draws - 3.0).max() <= 2.0 * 16.7
    expected = 3.0 - 2.0 * np.sign(u[1:]) * np.log1p(-2.0 * np.abs(u[1:]))
    np.testing.assert_allclose(draws[1:], expected, rtol=1e-5)
    assert draws[0] < draws[1]


@pytest.mark.parametrize("from_logits", [True, False])
def test_categories_that_are_impossible_are_not_drawn(from_logits):
    # 1e-7 for each of 20,000 would be 0.2 % of all draws.
    params = np.full((500, 20_000), -50.0 if from_logits else 0.0, "float32")
    params[:, 7] = 50.0 if from_logits else 1.0
    draws = to_numpy(Categorical(from_logits).sample(params, seed=0))
    assert (draws.argmax(axis=-1) == 7).all()


def test_bounds_are_exact_and_pass_the_gradient():
    x = np.float32([-np.inf, -3e38, -1e12, -1e8, -21, -20, 0.1, 10, 11, 1e8, 1e9, 3e38, np.inf])
    np.testing.assert_array_equal(to_numpy(bounded(x, -20.0, 10.0)), np.clip(x, -20, 10))
    result = gradient(lambda x: bounded(x, -20.0, 10.0), x)
    np.testing.assert_array_equal(result, np.isfinite(x).astype("float32"))
    assert np.isnan(to_numpy(bounded(np.float32([np.nan]), 0.0, 1.0))).all()


def test_a_tamed_value_is_itself_with_a_gradient_of_bounded_size():
    x = np.float32([-3e38, -1e12, -1e9, -3.0, 0.0, 7.0, 1e12, -np.inf])
    np.testing.assert_array_equal(to_numpy(tamed(x, 1e9)), x)
    expected = np.minimum(1.0, 1e9 / np.maximum(np.abs(x), 1.0)) * np.isfinite(x)
    np.testing.assert_allclose(gradient(lambda x: tamed(x, 1e9), x), expected, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_of_weight_zero_counts_for_nothing_even_if_it_overflows(bad):
    term = np.float32([1.0, bad, 4.0])
    weights = keras.ops.array(np.float32([2.0, 0.0, 1.0]))
    assert to_numpy(weighted_mean("The term", term, weights)) == pytest.approx(2.0)
    result = gradient(lambda t: weighted_mean("The term", t, weights), term)
    np.testing.assert_allclose(result, [2 / 3, 0.0, 1 / 3], rtol=1e-6)


@pytest.mark.parametrize(
    "likelihood",
    ["gaussian", Gaussian("decoder"), Gaussian("optimal"), "laplace", "student_t", "poisson"],
    ids=["gaussian", "decoder", "optimal", "laplace", "student_t", "poisson"],
)
def test_rows_of_weight_zero_train_nothing_even_if_they_overflow(likelihood):
    x = np.random.default_rng(0).poisson(2.0, size=(8, N_FEATURES)).astype("float32")
    padded = np.concatenate([x, np.full_like(x[:2], 1e25)])
    results = []
    for rows in (x, padded):
        copy = kv.likelihoods.get(likelihood)
        copy = type(copy).from_config(copy.get_config())
        n_params = N_FEATURES * copy.params_per_feature
        decoder = kv.networks.DenseDecoder(n_params, (8,))
        vae = make_vae(keras.optimizers.SGD(1e-3), 0.3, likelihood=copy, decoder=decoder)
        vae.build((None, N_FEATURES))
        set_same_weights(vae.encoder)
        set_same_weights(vae.decoder)
        weights = np.arange(len(rows)) < 8
        logs = vae.train_on_batch(rows, rows, sample_weight=weights, return_dict=True)
        trained = np.concatenate([w.ravel() for w in vae.get_weights()])
        results.append((list(logs.values()), trained))
    assert np.isfinite(results[0][1]).all()
    for without, padded in zip(*results, strict=True):
        np.testing.assert_allclose(without, padded, rtol=1e-4, atol=1e-5)
