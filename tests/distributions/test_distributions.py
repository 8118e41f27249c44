"""The posterior and the prior, against SciPy and TensorFlow Probability."""

import keras
import numpy as np
import pytest
from helpers import assert_close, to_numpy
from scipy import stats

import keras_vae as kv
from keras_vae.distributions import Distribution
from keras_vae.objectives import kl_divergence
from keras_vae.posteriors import DiagonalNormal

RNG = np.random.default_rng(0)
MEAN = RNG.normal(size=(6, 3)).astype("float32")
LOG_VAR = RNG.normal(size=(6, 3)).astype("float32")
SIGMA = np.exp(0.5 * LOG_VAR)


@pytest.fixture
def prior():
    prior = kv.priors.get("standard_normal")
    prior.build((None, 3))
    return prior


def test_posterior_log_prob_agrees_with_scipy():
    z = RNG.normal(size=(2, 6, 3)).astype("float32")
    log_prob = to_numpy(DiagonalNormal(MEAN, LOG_VAR).log_prob(z))
    assert_close(log_prob, stats.norm.logpdf(z, MEAN, SIGMA).sum(-1), rtol=1e-4)


def test_posterior_samples_follow_it():
    draws = to_numpy(DiagonalNormal(MEAN, LOG_VAR).sample(2000, seed=1))
    assert draws.shape == (2000, 6, 3)
    standardized = (draws - MEAN) / SIGMA
    assert stats.kstest(standardized.ravel(), stats.norm.cdf).pvalue > 1e-3


def test_prior_agrees_with_scipy(prior):
    z = RNG.normal(size=(5, 3)).astype("float32")
    assert_close(to_numpy(prior.log_prob(z)), stats.norm.logpdf(z).sum(-1), rtol=1e-4)
    draws = to_numpy(prior.sample(3000, seed=2))
    assert draws.shape == (3000, 3)
    assert stats.kstest(draws.ravel(), stats.norm.cdf).pvalue > 1e-3
    np.testing.assert_array_equal(draws, to_numpy(prior.sample(3000, seed=2)))
    assert not np.allclose(to_numpy(prior.sample(9)), to_numpy(prior.sample(9)))


def test_kl_agrees_with_tensorflow_probability(prior):
    import tensorflow_probability as tfp

    tfd = tfp.distributions
    expected = tfd.kl_divergence(
        tfd.MultivariateNormalDiag(MEAN, SIGMA), tfd.MultivariateNormalDiag(np.zeros((6, 3), "f4"))
    )
    posterior = DiagonalNormal(keras.ops.array(MEAN), keras.ops.array(LOG_VAR))
    kl = to_numpy(kl_divergence(posterior, prior, z=None))
    assert kl.shape == (6,)
    assert_close(kl, expected.numpy(), rtol=1e-4)


def test_kl_without_a_closed_form_is_estimated(prior):
    class Wide(Distribution):
        event_shape = (3,)

        def _log_prob(self, z):
            return keras.ops.sum(-0.5 * (z / 2.0) ** 2 - np.log(2.0 * np.sqrt(2 * np.pi)), -1)

        def _sample(self, n, seed):
            raise NotImplementedError

    class WideNormal(kv.priors.Prior):
        def distribution(self):
            return Wide()

    posterior = DiagonalNormal(MEAN, LOG_VAR)
    estimate = to_numpy(kl_divergence(posterior, WideNormal(), posterior.sample(20_000, seed=0)))
    exact = np.log(2.0 / SIGMA) + (SIGMA**2 + MEAN**2) / 8.0 - 0.5
    np.testing.assert_allclose(estimate.mean(axis=0), exact.sum(-1), rtol=0.05)


def test_unknown_prior_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"Unknown prior 'normal'.*'standard_normal'"):
        kv.priors.get("normal")


@pytest.fixture
def mixture():
    mixture = kv.priors.GaussianMixture(4)
    mixture.build((None, 3))
    mixture.set_weights([RNG.normal(size=w.shape) for w in mixture.get_weights()])
    return mixture


def test_mixture_log_prob_agrees_with_tensorflow_probability(mixture):
    import tensorflow_probability as tfp

    tfd = tfp.distributions
    means, log_vars, logits = mixture.get_weights()
    reference = tfd.MixtureSameFamily(
        tfd.Categorical(logits=logits), tfd.MultivariateNormalDiag(means, np.exp(0.5 * log_vars))
    )
    z = RNG.normal(size=(2, 5, 3)).astype("float32")
    assert_close(to_numpy(mixture.log_prob(z)), reference.log_prob(z).numpy(), rtol=1e-4)


def test_mixture_samples_follow_it(mixture):
    means, log_vars, logits = (w.astype("float64") for w in mixture.get_weights())
    weights = np.exp(logits) / np.exp(logits).sum()
    draws = to_numpy(mixture.sample(4000, seed=0))
    for i in range(3):

        def cdf(value, i=i):
            sigma = np.exp(0.5 * log_vars[:, i])
            return (weights * stats.norm.cdf(value[:, None], means[:, i], sigma)).sum(-1)

        assert stats.kstest(draws[:, i], cdf).pvalue > 1e-3
    np.testing.assert_array_equal(draws, to_numpy(mixture.sample(4000, seed=0)))


def test_a_mixture_of_no_components():
    with pytest.raises(ValueError, match="n_components must be a positive integer"):
        kv.priors.GaussianMixture(0)
