"""The von Mises-Fisher posterior, against SciPy, Bessel functions and TensorFlow Probability."""

import itertools

import numpy as np
import pytest
from helpers import assert_close, gradient, to_numpy
from keras import ops
from scipy import integrate, optimize, special, stats

import keras_vae as kv
from keras_vae import distributions
from keras_vae.posteriors import VonMisesFisher

RNG = np.random.default_rng(0)


def unit_vectors(n, d):
    z = RNG.normal(size=(n, d))
    return z / np.linalg.norm(z, axis=1, keepdims=True)


@pytest.mark.parametrize("d", [2, 3, 5, 20, 100])
@pytest.mark.parametrize("kappa", [0.1, 1.0, 10.0, 300.0, 5000.0])
def test_von_mises_fisher_agrees_with_scipy(d, kappa):
    mu = unit_vectors(3, d)
    posterior = VonMisesFisher(mu, np.full((3, 1), kappa))
    # Near its peak, where its draws are.
    z = mu + unit_vectors(3, d) / np.sqrt(kappa)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    references = [stats.vonmises_fisher(m, kappa) for m in mu]
    log_prob = [r.logpdf(point) for r, point in zip(references, z, strict=True)]
    np.testing.assert_allclose(to_numpy(posterior.log_prob(z)), log_prob, rtol=1e-4, atol=1e-3)
    length = special.ive(d / 2, kappa) / special.ive(d / 2 - 1, kappa)
    if length > 0:  # both underflow where d is large and κ small
        np.testing.assert_allclose(to_numpy(posterior.mean()), length * mu, rtol=1e-4, atol=1e-5)
    prior = distributions.UniformOnSphere((d,))
    kl = special.gammaln(d / 2) - np.log(2) - d / 2 * np.log(np.pi)
    kl = -kl - np.array([r.entropy() for r in references])
    found = to_numpy(distributions.kl_divergence(posterior, prior))
    np.testing.assert_allclose(found, kl, rtol=1e-4, atol=2e-4)


def test_von_mises_fisher_of_features_of_zero_has_a_direction():
    head = kv.posteriors.VonMisesFisherHead()
    head.set_latent_shape((4,))
    head.build((None, 3))
    z_mean = to_numpy(head(np.zeros((2, 3), "float32"))["z_mean"])
    np.testing.assert_allclose(np.linalg.norm(z_mean, axis=1), 1.0, rtol=1e-5)


def test_von_mises_fisher_agrees_with_tensorflow_probability():
    import tensorflow_probability as tfp

    mu, z = unit_vectors(4, 3).astype("f4"), unit_vectors(4, 3).astype("f4")
    kappa = np.array([[0.5], [2.0], [9.0], [50.0]], "float32")
    reference = tfp.distributions.VonMisesFisher(mu, kappa[:, 0])
    posterior = VonMisesFisher(mu, kappa)
    assert_close(to_numpy(posterior.log_prob(z)), reference.log_prob(z), rtol=1e-4)
    np.testing.assert_allclose(to_numpy(posterior.mean()), reference.mean(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("d", "kappa"), [(2, 3.0), (3, 0.5), (3, 40.0), (10, 5.0), (50, 500.0)])
def test_von_mises_fisher_samples_follow_it(d, kappa):
    mu = unit_vectors(1, d)
    posterior = VonMisesFisher(mu, np.full((1, 1), kappa))
    draws, log_prob = (to_numpy(t)[:, 0] for t in posterior.sample_and_log_prob(4000, seed=0))
    np.testing.assert_allclose(np.linalg.norm(draws, axis=1), 1.0, atol=1e-4)
    expected = stats.vonmises_fisher(mu[0], kappa).logpdf(
        draws / np.linalg.norm(draws.astype("f8"), axis=1, keepdims=True)
    )
    np.testing.assert_allclose(log_prob, expected, rtol=1e-3, atol=5e-3)
    # The angle has density ∝ exp(κ cos t) sin(t)^(d-2).
    t = np.linspace(0, np.pi, 200_001)[1:-1]
    mass = np.cumsum(np.exp(kappa * (np.cos(t) - 1) + (d - 2) * np.log(np.sin(t))))
    angle = 2 * np.arcsin(np.clip(np.linalg.norm(draws - mu, axis=1) / 2, 0, 1))
    assert stats.kstest(np.interp(angle, t, mass / mass[-1]), "uniform").pvalue > 1e-3
    # Around μ no direction is preferred.
    off = draws - (draws @ mu[0])[:, None] * mu
    off /= np.linalg.norm(off, axis=1, keepdims=True)
    assert np.linalg.norm(off.mean(axis=0)) < 5 / np.sqrt(4000)


def test_von_mises_fisher_draws_have_the_exact_gradient_in_the_concentration():
    """d/dκ E[μᵀz] is 1 - A² - (d-1)/κ·A, A the mean length."""
    d, kappa = 4, 6.0
    mu = np.tile(np.eye(d)[:1], (1, 1)).astype("float32")

    def mean_w(k):
        return ops.mean(VonMisesFisher(mu, k).sample(20_000, seed=0)[..., 0])

    length = special.ive(d / 2, kappa) / special.ive(d / 2 - 1, kappa)
    expected = 1 - length**2 - (d - 1) / kappa * length
    found = gradient(mean_w, np.full((1, 1), kappa, "float32"))[0, 0]
    assert found == pytest.approx(expected, rel=0.02)


def log_density(y, d, kappa):
    """That of y = log((1 - w)/(1 + w)), up to a constant, in float64."""
    log_below, log_above = -np.logaddexp(0, -y), -np.logaddexp(0, y)  # of (1 - w)/2, (1 + w)/2
    return -2 * kappa * np.exp(log_below) + (d - 1) / 2 * (log_below + log_above)


def one_minus_w_of(noise, d, kappa):
    """1 - w whose distribution function is that of the normal at `noise`, by SciPy."""
    peak = optimize.minimize_scalar(lambda y: -log_density(y, d, kappa), (-20, 0)).x
    highest = log_density(peak, d, kappa)
    low, high = (
        optimize.brentq(lambda y: log_density(y, d, kappa) - highest + 60, peak, peak + far)
        for far in (-300, 300)
    )

    def mass(start, end):
        def density(y):
            return np.exp(log_density(y, d, kappa) - highest)

        pieces = itertools.pairwise(np.linspace(start, end, 13))
        return sum(integrate.quad(density, *piece, epsabs=0, epsrel=1e-9)[0] for piece in pieces)

    total = mass(low, high)

    def excess(y):
        if noise < 0:
            return np.log(mass(low, y) / total) - stats.norm.logcdf(noise)
        return stats.norm.logsf(noise) - np.log(mass(y, high) / total)

    inside = 1e-3 * (high - low)
    return 2 * special.expit(optimize.brentq(excess, low + inside, high - inside, xtol=1e-9))


@pytest.mark.parametrize("d", [2, 3, 50, 1000])
@pytest.mark.parametrize("kappa", [1.0, 100.0, 1e4])
def test_von_mises_fisher_draws_are_right_in_both_tails(d, kappa):
    noise = np.array([-5.5, -3.0, 0.0, 1.3, 4.0, 5.5])
    z_0 = np.ones((len(noise), 1, d), "float32")
    z_0[:, 0, 0] = noise
    mu = np.eye(1, d, dtype="float32")
    z, log_prob = VonMisesFisher(mu, np.full((1, 1), kappa)).from_base(ops.array(z_0))
    found = 0.5 * np.square(to_numpy(z).astype("float64") - mu).sum(-1)[:, 0]
    expected = np.array([one_minus_w_of(n, d, kappa) for n in noise])
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    differences = to_numpy(log_prob)[:, 0] - to_numpy(log_prob)[2, 0]
    # A float32 of the size of the normalizer holds log q to 2e-4.
    expected = -kappa * (expected - expected[2])
    np.testing.assert_allclose(differences, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("noise", [-5.5, -1.0, 0.3, 5.5])
@pytest.mark.parametrize(("d", "kappa"), [(3, 1.0), (3, 1e4), (50, 1e3)])
def test_von_mises_fisher_draws_have_the_implicit_gradient_in_the_tails(d, kappa, noise):
    mu = ops.array(np.eye(1, d, dtype="float32"))
    z_0 = np.ones((1, d), "float32")
    z_0[0, 0] = noise

    def one_minus_w(k):
        return 0.5 * ops.sum(ops.square(VonMisesFisher(mu, k).from_base(ops.array(z_0))[0] - mu))

    found = gradient(one_minus_w, np.full((1, 1), kappa, "float32"))[0, 0]
    above, below = (one_minus_w_of(noise, d, kappa * (1 + step)) for step in (1e-3, -1e-3))
    assert found == pytest.approx((above - below) / (2e-3 * kappa), rel=5e-3)


def log_bessel(order, kappa):
    """log I of the modified Bessel function, by its series, which nothing under- or overflows."""
    m = np.arange(20_000)
    terms = 2 * m * np.log(kappa / 2) - special.gammaln(m + 1) - special.gammaln(m + order + 1)
    return order * np.log(kappa / 2) + special.logsumexp(terms)


@pytest.mark.parametrize("d", [2, 3, 50, 1000])
@pytest.mark.parametrize("kappa", [0.125, 1.0, 64.0, 1e4])
def test_von_mises_fisher_normalizer_and_kl_agree_with_bessel_functions(d, kappa):
    mu = np.eye(1, d, dtype="float32")
    posterior = VonMisesFisher(mu, np.full((1, 1), kappa))
    log_i = log_bessel(d / 2 - 1, kappa)
    length = np.exp(log_bessel(d / 2, kappa) - log_i)
    log_prob = kappa + (d / 2 - 1) * np.log(kappa) - d / 2 * np.log(2 * np.pi) - log_i
    log_area = np.log(2) + d / 2 * np.log(np.pi) - special.gammaln(d / 2)
    kl = log_prob - kappa * (1 - length) + log_area
    found = to_numpy(distributions.kl_divergence(posterior, distributions.UniformOnSphere((d,))))
    np.testing.assert_allclose(found, kl, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(to_numpy(posterior.log_prob(mu)), log_prob, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(to_numpy(posterior.mean_length()), length, rtol=1e-6, atol=1e-6)
