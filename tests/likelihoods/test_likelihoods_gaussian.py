"""The ways in which a Gaussian likelihood gets its σ."""

import keras
import numpy as np
import pytest
from helpers import gradient, to_numpy
from test_likelihoods import REALS, built

from keras_vae.likelihoods import Gaussian

PARAMS = REALS[::-1].copy()
MASK = np.random.default_rng(1).random(REALS.shape) < 0.6


@pytest.mark.parametrize(("sigma", "shape"), [("learned", ()), ("per_feature", (4, 3))])
def test_learned_sigma_is_trainable_and_gets_the_gradient(sigma, shape):
    likelihood = built(Gaussian(sigma))
    (weight,) = likelihood.trainable_variables
    assert weight.shape == shape
    log_sigma = np.full(shape, 0.3, "float32")

    def log_prob(value):
        with keras.StatelessScope(state_mapping=[(weight, value)]):
            return likelihood.log_prob(REALS, PARAMS)

    # d/d log σ of -½((x - μ)/σ)² - log σ.
    expected = ((REALS - PARAMS) ** 2 / np.exp(2 * log_sigma) - 1.0).sum(axis=0)
    expected = expected if shape else expected.sum()
    np.testing.assert_allclose(gradient(log_prob, log_sigma), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
@pytest.mark.parametrize("n_samples", [None, 2])
def test_optimal_sigma_is_the_error_of_the_batch_with_the_gradient_of_its_logarithm(
    mask, n_samples
):
    params = PARAMS if n_samples is None else np.stack([PARAMS, 0.5 * PARAMS])
    observed = np.broadcast_to(True if mask is None else mask, params.shape)
    target = np.where(observed if n_samples is None else observed[0], REALS, np.nan)
    likelihood = built(Gaussian("optimal"))
    likelihood.update(target, params, mask=mask)
    expected = ((REALS - params) ** 2)[observed].mean()
    np.testing.assert_allclose(to_numpy(likelihood.variance), expected, rtol=1e-5)
    assert not likelihood.trainable_variables

    def sigma_vae(params):
        error = keras.ops.where(observed, (params - keras.ops.array(REALS)) ** 2, 0.0)
        n = float(observed.sum())
        return -0.5 * n * keras.ops.log(keras.ops.sum(error) / n)

    result = gradient(lambda p: likelihood.log_prob(target, p, mask=mask), params)
    np.testing.assert_allclose(result, gradient(sigma_vae, params), rtol=1e-4, atol=1e-5)


def test_optimal_sigma_has_a_floor_and_keeps_its_value_where_nothing_was_observed():
    likelihood = built(Gaussian("optimal"))
    likelihood.update(REALS, PARAMS, mask=np.zeros_like(MASK))
    np.testing.assert_allclose(to_numpy(likelihood.variance), 1.0)
    likelihood.update(REALS, REALS)
    np.testing.assert_allclose(to_numpy(likelihood.variance), 1e-6)
    assert np.isfinite(to_numpy(likelihood.log_prob(REALS, REALS))).all()


def test_only_the_optimal_sigma_follows_the_batch():
    for sigma in (1.0, "learned", "per_feature"):
        likelihood = built(Gaussian(sigma))
        before = likelihood.get_weights()
        likelihood.update(REALS, PARAMS)
        for old, new in zip(before, likelihood.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


def test_samples_have_the_standard_deviation():
    n = 4000
    mean, log_var = np.zeros((n, 4, 3), "float32"), np.full((n, 4, 3), np.log(0.09), "float32")
    for likelihood, params in (
        (Gaussian(0.3), mean),
        (built(Gaussian("learned"), log_sigma=np.log(0.3)), mean),
        (built(Gaussian("optimal"), variance=0.09), mean),
        (Gaussian("decoder"), np.concatenate([mean, log_var], axis=-1)),
    ):
        draws = to_numpy(likelihood.sample(params, seed=3))
        np.testing.assert_allclose(draws.std(axis=0), 0.3, rtol=5.0 / np.sqrt(2 * n))
