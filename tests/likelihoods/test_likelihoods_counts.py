"""The gamma function and the likelihoods of counts, beyond the cases of test_likelihoods.py."""

import keras
import numpy as np
import pytest
from helpers import gradient, to_numpy
from scipy import special, stats

from keras_vae.likelihoods import NegativeBinomial, Poisson
from keras_vae.numerics.log_gamma import log_gamma, stirling_remainder


def column(values):
    return np.array(values, "float32")[:, None]


def test_log_gamma_and_its_gradient_agree_with_scipy():
    x = np.concatenate([np.geomspace(1e-3, 1e6, 3001), np.linspace(0.9, 2.1, 1001)])
    x = x.astype("float32")
    wide = x.astype("f8")
    expected = special.gammaln(wide)
    np.testing.assert_allclose(to_numpy(log_gamma(x)), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient(log_gamma, x), special.digamma(wide), rtol=1e-5, atol=2e-6)
    remainder = expected + np.log(wide) - wide * np.log(wide) + wide
    np.testing.assert_allclose(to_numpy(stirling_remainder(x)), remainder, rtol=1e-6, atol=2e-6)
    np.testing.assert_allclose(to_numpy(stirling_remainder(np.zeros(1, "f4"))), 0.0, atol=1e-6)


def counts_and_log_means():
    """Counts up to 1e8, and log means that miss them by up to a factor of e^3."""
    counts = np.repeat([1, 7, 900, 1e3, 99_000, 1e5, 1e6, 1e7, 12_345_678, 1e8], 13)
    misses = np.tile([-3, -0.6, -0.3, -1e-2, -1e-3, -1e-4, 0, 3e-5, 1e-4, 4e-3, 0.1, 0.4, 2], 10)
    return counts, column(np.minimum(np.log(counts) + misses, 20.0))


def test_large_counts_keep_their_digits_of_poisson():
    counts, log_rates = counts_and_log_means()
    wide = log_rates[:, 0].astype("f8")
    expected = counts * wide - np.exp(wide) - special.gammaln(counts + 1)
    log_prob = to_numpy(Poisson().log_prob(column(counts), log_rates))
    np.testing.assert_allclose(log_prob, expected, atol=1e-3, rtol=1e-6)


@pytest.mark.parametrize("log_theta", [-8.0, -2.0, 0.0, 3.0, 7.0, 12.0, 16.0, 20.0])
def test_large_counts_keep_their_digits_of_negative_binomial(log_theta):
    counts, log_means = counts_and_log_means()
    params = np.concatenate([log_means, np.full_like(log_means, log_theta)], axis=-1)
    theta, mean = np.exp(log_theta), np.exp(log_means[:, 0].astype("f8"))
    # As SciPy's, but for log(1 - p), which it takes of a difference.
    expected = special.gammaln(counts + theta) - special.gammaln(theta)
    expected += -special.gammaln(counts + 1) - theta * np.log1p(mean / theta)
    expected += -counts * np.log1p(theta / mean)
    log_prob = to_numpy(NegativeBinomial().log_prob(column(counts), params))
    np.testing.assert_allclose(log_prob, expected, atol=1e-3, rtol=1e-6)


def test_gradients_of_counts_agree_with_the_closed_form():
    x, log_mean, log_theta = (
        a.ravel()
        for a in np.meshgrid([0, 1, 2, 7, 1000], [-3, 0, np.log(7), 8], [-6, -1, 0, 2, 9, 16])
    )
    params = np.stack([log_mean, log_theta], axis=-1).astype("float32")
    mean, theta = np.exp(params.astype("f8")).T
    by_mean = theta * (x - mean) / (theta + mean)
    by_theta = special.digamma(x + theta) - special.digamma(theta)
    by_theta += np.log(theta / (theta + mean)) + (mean - x) / (theta + mean)
    by_theta *= theta
    # SciPy's digammas cancel there; the limit is that of a Poisson.
    by_theta = np.where(theta > 1e6, ((x - mean) ** 2 - x) / (-2.0 * theta), by_theta)
    result = gradient(lambda p: NegativeBinomial().log_prob(column(x), p), params)
    expected = np.stack([by_mean, by_theta], axis=-1)
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-3)
    result = gradient(lambda p: Poisson().log_prob(column(x), p), params[:, :1])
    np.testing.assert_allclose(result[:, 0], x - mean, rtol=1e-4, atol=1e-4)


def test_gradient_where_both_reasons_for_a_zero_are_equally_likely():
    params = np.float32([[0.0, -1.0]])  # log λ = 0, and logit = log q(0) = -1
    result = gradient(
        lambda p: Poisson(zero_inflated=True).log_prob(np.zeros((1, 1), "f4"), p), params
    )
    np.testing.assert_allclose(result, [[-0.5, 0.5 - special.expit(-1.0)]], rtol=1e-5)


@pytest.mark.parametrize("rate", [1e-3, 0.5, 3.0, 9.9, 10.1, 40.0, 2e4])
def test_poisson_draws_have_the_distribution(rate):
    n = 100_000
    log_rate = np.full((n, 1), np.log(rate), "float32")
    check_distribution(Poisson().sample(log_rate, seed=1), stats.poisson(rate))


@pytest.mark.parametrize(("mean", "theta"), [(0.3, 0.1), (5.0, 1.0), (200.0, 3.0), (50.0, 1e6)])
def test_negative_binomial_draws_have_the_distribution(mean, theta):
    params = np.tile(np.log(np.float32([mean, theta])), (100_000, 1))
    draws = NegativeBinomial().sample(params, seed=1)
    check_distribution(draws, stats.nbinom(theta, theta / (theta + mean)))


def test_poisson_draws_are_the_quantiles_of_their_noise(monkeypatch):
    u = np.array([1e-4, 0.03, 0.2, 0.61, 0.97, 0.9995, 1.0 - 2.0**-24])
    small, large = np.array([1e-3, 0.7, 4.0, 9.99]), np.array([10.5, 33.3, 5e3])
    z = stats.norm.ppf(u)
    rate, u_grid, z_grid = (
        np.concatenate([a.ravel(), b.ravel()]).astype("float32")
        for a, b in zip(np.meshgrid(small, u, z[:1]), np.meshgrid(large, u[:1], z), strict=True)
    )
    for name, noise in (("uniform", u_grid), ("normal", z_grid)):
        noise = keras.ops.array(noise)
        monkeypatch.setattr(keras.random, name, lambda *args, noise=noise, **kwargs: noise)
    draws = to_numpy(Poisson().sample(np.log(rate)))
    p = np.where(rate < 10.0, u_grid.astype("f8"), stats.norm.cdf(z_grid.astype("f8")))
    expected = stats.poisson.ppf(p, rate.astype("f8"))
    common = p < 0.9999
    np.testing.assert_array_equal(draws[common], expected[common])
    assert (np.abs(draws - expected) <= 3.0)[~common].all()  # None runs away.


def check_distribution(draws, distribution):
    draws = to_numpy(draws)[:, 0]
    assert draws.dtype == "float32"
    values = np.unique(draws)
    assert (distribution.pmf(values) > 1e-9).all()  # counts, and none impossible
    for value in values:
        # Kolmogorov-Smirnov: exceeded once in 10⁶ samples of the right distribution.
        error = np.mean(draws <= value) - distribution.cdf(value)
        assert abs(error) < 2.7 / np.sqrt(len(draws))


def test_draws_of_zero_inflation_are_independent_of_the_counts():
    params = np.tile(np.float32([np.log(4.0), np.log(0.5), 0.0]), (100_000, 1))
    draws = to_numpy(NegativeBinomial(zero_inflated=True).sample(params, seed=1))[:, 0]
    distribution = stats.nbinom(0.5, 0.5 / 4.5)
    for value in (0, 1, 5, 20):
        expected = 0.5 + 0.5 * distribution.cdf(value)
        assert abs(np.mean(draws <= value) - expected) < 2.7 / np.sqrt(len(draws))


def test_targets_must_be_counts():
    for likelihood in (Poisson(), NegativeBinomial(zero_inflated=True)):
        likelihood.check_target(np.array([[0, 3], [7, 2]], "int32"))
        likelihood.check_target(np.array([[0.0, np.nan]]))
        name = type(likelihood).__name__
        with pytest.raises(ValueError, match=rf"{name} needs counts.*the value 0.25.*gaussian"):
            likelihood.check_target(np.array([[1.0, 0.25]]))
        with pytest.raises(ValueError, match=r"needs counts.*negative values"):
            likelihood.check_target(np.array([[1.0, -2.0]]))


def test_params_per_feature():
    assert Poisson().params_per_feature == 1
    assert Poisson(zero_inflated=True).params_per_feature == 2
    assert NegativeBinomial().params_per_feature == 2
    assert NegativeBinomial(zero_inflated=True).params_per_feature == 3
    assert keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(Poisson(zero_inflated=True))
    ).zero_inflated
