"""Formulas that float32 loses digits of, against mpmath with digits to spare."""

import itertools

import mpmath as mp
import numpy as np
import pytest
from helpers import to_numpy
from keras import ops

from keras_vae import distributions
from keras_vae.likelihoods import (
    ContinuousBernoulli,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    NegativeBinomial,
)
from keras_vae.numerics.log_gamma import log_gamma, stirling_remainder
from keras_vae.posteriors import VonMisesFisher


@pytest.fixture(autouse=True)
def digits():
    with mp.workdps(400):
        yield


def exact(value):
    """The number that a float32 stands for."""
    return mp.mpf(float(np.float32(value)))


def column(values):
    return np.asarray(values, "float32")[:, None]


def mass_of_level(level, mean, log_scale):
    """P(level) of 256 as the difference of two logistic functions."""
    mean, scale, step = exact(mean), mp.exp(exact(log_scale)), mp.mpf(1) / 255

    def below(x):
        return 1 / (1 + mp.exp((mean - x) / scale))

    upper = 1 if level == 255 else below((level + 0.5) * step)
    return upper - (0 if level == 0 else below((level - 0.5) * step))


def test_discretized_logistic_in_its_tails():
    cases = list(itertools.product((0, 1, 100, 254, 255), (-5, 0.1, 1, 5), (-6, -3, 0, 4.9)))
    level, *params = np.array(cases).T
    found = DiscretizedLogistic().log_prob(column(level / 255), np.stack(params, axis=-1))
    with mp.workdps(3000):  # for tails down to e^-2400
        expected = [float(mp.log(mass_of_level(*case))) for case in cases]
    np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-5, atol=1e-6)


def test_mixture_of_discretized_logistics_in_its_tails():
    rng = np.random.default_rng(0)
    level = rng.integers(256, size=20)
    logits, means = 10 * rng.normal(size=(20, 3)), rng.uniform(-1, 4, (20, 3))
    log_scales = rng.uniform(-5, 4, (20, 3))
    params = np.concatenate([logits, means, log_scales], axis=-1).astype("float32")
    found = DiscretizedLogisticMixture(3).log_prob(column(level / 255), params)
    with mp.workdps(1500):
        for row, value in enumerate(to_numpy(found)):
            weights = [mp.exp(exact(logit)) for logit in logits[row]]
            components = zip(means[row], log_scales[row], strict=True)
            masses = [mass_of_level(int(level[row]), *pair) for pair in components]
            expected = mp.log(mp.fdot(weights, masses) / mp.fsum(weights))
            assert value == pytest.approx(float(expected), rel=1e-5, abs=1e-6)


def test_continuous_bernoulli_around_one_half():
    sizes = (1e-30, 1e-8, 1e-4, 1e-3, 0.0199, 0.0201, 0.3, 0.999, 1.001, 5, 80)
    logits = [sign * size for size in sizes for sign in (1, -1)]
    likelihood, x = ContinuousBernoulli(), 0.3
    log_prob = to_numpy(likelihood.log_prob(np.full((22, 1), x, "float32"), column(logits)))
    mean = to_numpy(likelihood.mean(column(logits)))[:, 0]
    for row, value in enumerate(map(exact, logits)):
        log_c = mp.log(value / mp.tanh(value / 2))
        expected = exact(x) * value - mp.log(1 + mp.exp(value)) + log_c
        assert log_prob[row] == pytest.approx(float(expected), rel=1e-6, abs=1e-6)
        expected = 1 / (1 - mp.exp(-value)) - 1 / value
        assert mean[row] == pytest.approx(float(expected), rel=2e-6)


def test_negative_binomial_of_large_counts():
    counts, log_thetas = (0, 1, 100, 10**5, 10**7), (-9.5, 0, 3, 12, 19.5)
    cases = [
        (x, log_mean, log_theta)
        for x, log_theta in itertools.product(counts, log_thetas)
        for log_mean in (-15, 3, np.log(max(x, 1)) + 1e-3, np.log(max(x, 1)) - 0.3, 18)
    ]
    x, *params = np.array(cases).T
    found = to_numpy(NegativeBinomial().log_prob(column(x), np.stack(params, axis=-1)))
    for value, (x, log_mean, log_theta) in zip(found, cases, strict=True):
        mean, theta = mp.exp(exact(log_mean)), mp.exp(exact(log_theta))
        expected = mp.loggamma(x + theta) - mp.loggamma(theta) - mp.loggamma(x + 1)
        expected -= theta * mp.log(1 + mean / theta) + x * mp.log(1 + theta / mean)
        assert value == pytest.approx(float(expected), rel=3e-6, abs=3e-6)


def test_log_gamma_and_its_remainder():
    x = np.float32([1e-6, 1e-3, 0.3, 0.99, 1.0, 1.47, 1.99, 2.01, 30, 1e4, 1e8])
    found, remainder = to_numpy(log_gamma(x)), to_numpy(stirling_remainder(x))
    for row, value in enumerate(map(exact, x)):
        expected = float(mp.loggamma(value))
        assert found[row] == pytest.approx(expected, rel=1e-6, abs=1e-6)
        expected = float(mp.loggamma(value + 1) - value * mp.log(value) + value)
        assert remainder[row] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.in_turn
@pytest.mark.parametrize("d", [2, 3, 10, 100, 1000])
@pytest.mark.parametrize("kappa", [0.1, 1.0, 30.0, 1e3, 1e4])
def test_von_mises_fisher_against_bessel_functions(d, kappa):
    mu = np.eye(1, d, dtype="float32")
    posterior = VonMisesFisher(mu, np.float32([[kappa]]))
    kappa, half = exact(kappa), mp.mpf(d) / 2
    bessel = mp.besseli(half - 1, kappa)
    ratio = mp.besseli(half, kappa) / bessel
    log_q = kappa + (half - 1) * mp.log(kappa) - half * mp.log(2 * mp.pi) - mp.log(bessel)
    log_area = mp.log(2) + half * mp.log(mp.pi) - mp.loggamma(half)
    kl = log_q - kappa * (1 - ratio) + log_area
    found = (
        posterior.mean_length(),
        posterior.log_prob(mu),
        distributions.kl_divergence(posterior, distributions.UniformOnSphere((d,))),
    )
    for value, expected in zip(found, (ratio, log_q, kl), strict=True):
        # A float32 holds no more of the normalizer.
        assert float(to_numpy(value)[0]) == pytest.approx(float(expected), rel=1e-6, abs=3e-6)


@pytest.mark.in_turn
@pytest.mark.parametrize("noise", [-5.5, -3.0, 4.0, 5.5])
@pytest.mark.parametrize(("d", "kappa"), [(2, 1.0), (2, 1e4), (50, 1e3), (1000, 1.0)])
def test_von_mises_fisher_draws_lie_where_their_noise_says(d, kappa, noise):
    """The mass beyond a draw, integrated over φ, where μᵀz = cos φ, is that beyond its noise."""
    z_0 = np.ones((1, d), "float32")
    z_0[0, 0] = noise
    mu = np.eye(1, d, dtype="float32")
    z = to_numpy(VonMisesFisher(mu, np.float32([[kappa]])).from_base(ops.array(z_0))[0])[0]
    drawn = mp.atan2(float(np.linalg.norm(z[1:].astype("float64"))), float(z[0]))
    with mp.workdps(30):

        def density(angle):
            return mp.exp(kappa * (mp.cos(angle) - 1)) * mp.sin(angle) ** (d - 2)

        end, width = (0, -1) if noise < 0 else (mp.pi, 1)
        width *= 1 / mp.sqrt(kappa + d)
        steps = [drawn + width * t for t in (0, 0.25, 0.5, 1, 2, 4, 8)]
        inside = [p for p in steps if 0 < p < mp.pi]
        beyond = abs(mp.quad(density, [*inside, end]))
        half = mp.mpf(d) / 2
        total = mp.sqrt(mp.pi) * mp.gamma(half - 0.5) * (2 / mp.mpf(kappa)) ** (half - 1)
        total *= mp.besseli(half - 1, kappa) * mp.exp(-kappa)
        # The logarithm of a tail's mass changes some 30 times as fast as 1 - w.
        assert float(mp.log(beyond / total / mp.ncdf(-abs(noise)))) == pytest.approx(0, abs=0.01)
