import keras
import numpy as np
import pytest
from helpers import assert_close, to_numpy
from scipy import special, stats

import keras_vae as kv
from keras_vae.likelihoods import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    FromFunction,
    Gaussian,
    Laplace,
    NegativeBinomial,
    Poisson,
    StudentT,
)

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(scale=2.0, size=(5, 4, 3)).astype("float32")
BITS = (RNG.random((5, 4, 3)) < 0.5).astype("float32")
ONE_HOT = np.eye(3, dtype="float32")[RNG.integers(3, size=(5, 4))]
REALS = RNG.normal(size=(5, 4, 3)).astype("float32")
UNIT = RNG.random((5, 4, 3)).astype("float32")
# Params of several blocks: means of intensities and of counts, and a spread or a logit.
CENTERS = RNG.normal(0.5, 0.4, size=(5, 4, 3)).astype("float32")
LOG_SCALES = RNG.uniform(-4.0, 1.0, size=(5, 4, 3)).astype("float32")
LEVELS = (RNG.integers(256, size=(5, 4, 3)) / 255.0).astype("float32")
LEVELS[0, 0], LEVELS[0, 1] = 0.0, 1.0
LOG_RATES = RNG.normal(1.5, 1.5, size=(5, 4, 3)).astype("float32")
COUNTS = RNG.poisson(np.exp(LOG_RATES)).astype("float32")
COUNTS[0, 0], COUNTS[0, 1] = 0.0, 40.0
LOG_THETAS = RNG.normal(1.0, 1.0, size=(5, 4, 3)).astype("float32")


def built(likelihood, **weights):
    """Returns the likelihood, built for samples of shape (4, 3), with these weights."""
    if not likelihood.built:
        likelihood.build((None, 4, 3))
    for name, value in weights.items():
        getattr(likelihood, name).assign(value)
    return likelihood


def blocks(*params):
    return np.concatenate(params, axis=-1)


def log_softmax(logits):
    return logits - special.logsumexp(logits, axis=-1, keepdims=True)


# likelihood, target, params, SciPy's elementwise log-probability, the mean
CASES = {
    "bernoulli logits": (Bernoulli(), BITS, LOGITS,
                         stats.bernoulli.logpmf(BITS, special.expit(LOGITS)),
                         special.expit(LOGITS)),
    "bernoulli probabilities": (Bernoulli(from_logits=False), BITS, special.expit(LOGITS),
                                stats.bernoulli.logpmf(BITS, special.expit(LOGITS)),
                                special.expit(LOGITS)),
    "gaussian": (Gaussian(), REALS, LOGITS, stats.norm.logpdf(REALS, LOGITS, 1.0), LOGITS),
    "gaussian sigma": (Gaussian(0.3), REALS, LOGITS, stats.norm.logpdf(REALS, LOGITS, 0.3),
                       LOGITS),
    "categorical logits": (Categorical(), ONE_HOT, LOGITS, ONE_HOT * log_softmax(LOGITS),
                           special.softmax(LOGITS, axis=-1)),
    "categorical probabilities": (Categorical(from_logits=False), ONE_HOT,
                                  special.softmax(LOGITS, axis=-1),
                                  ONE_HOT * log_softmax(LOGITS),
                                  special.softmax(LOGITS, axis=-1)),
}  # fmt: skip

CASES |= {
    "laplace": (Laplace(0.7), REALS, LOGITS, stats.laplace.logpdf(REALS, LOGITS, 0.7), LOGITS),
    "student t": (StudentT(3.5, 0.7), REALS, LOGITS, stats.t.logpdf(REALS, 3.5, LOGITS, 0.7),
                  LOGITS),
    "student t decoder": (
        StudentT("decoder"), REALS, blocks(LOGITS, 2.0 * LOG_SCALES, CENTERS),
        stats.t.logpdf(REALS, 3 + np.logaddexp(0, CENTERS), LOGITS, np.exp(LOG_SCALES)), LOGITS,
    ),
}  # fmt: skip

SIGMAS = np.linspace(0.2, 1.5, 12).reshape(4, 3)
for name, likelihood, params, sigma in (
    ("learned", built(Gaussian("learned"), log_sigma=np.log(0.4)), LOGITS, 0.4),
    ("per feature", built(Gaussian("per_feature"), log_sigma=np.log(SIGMAS)), LOGITS, SIGMAS),
    ("decoder", Gaussian("decoder"), blocks(LOGITS, 2.0 * LOG_SCALES), np.exp(LOG_SCALES)),
    ("optimal", built(Gaussian("optimal"), variance=0.25), LOGITS, 0.5),
):
    expected = stats.norm.logpdf(REALS, LOGITS, sigma)
    CASES["gaussian " + name] = (likelihood, REALS, params, expected, LOGITS)


def level_log_prob(levels, mean, log_scale):
    """log P of a level of 256; the thresholds' distribution functions from the nearer tail."""
    flip = levels > mean
    k, mean = np.where(flip, 1.0 - levels, levels), np.where(flip, 1.0 - mean, mean)
    edges = np.stack([k - 0.5 / 255, k + 0.5 / 255])
    edges = np.where(edges < 0.0, -np.inf, np.where(edges > 1.0, np.inf, edges))
    return np.log(np.diff(stats.logistic.cdf(edges, mean, np.exp(log_scale)), axis=0)[0])


def level_mean(mean, log_scale):
    levels = np.arange(256) / 255.0
    p = np.exp(level_log_prob(levels, mean[..., None], log_scale[..., None]))
    return (p * levels).sum(axis=-1)


# Two components.
weights = special.softmax(np.array([LOGITS, REALS], "f8"), axis=0)
components = [(CENTERS, LOG_SCALES), (CENTERS[::-1], LOG_SCALES[::-1])]
means, log_scales = zip(*components, strict=True)
CASES["discretized logistic"] = (
    DiscretizedLogistic(), LEVELS, blocks(CENTERS, LOG_SCALES),
    level_log_prob(LEVELS, CENTERS, LOG_SCALES), level_mean(CENTERS, LOG_SCALES),
)  # fmt: skip
CASES["discretized logistic mixture"] = (
    DiscretizedLogisticMixture(2), LEVELS, blocks(LOGITS, REALS, *means, *log_scales),
    special.logsumexp([level_log_prob(LEVELS, *c) for c in components], b=weights, axis=0),
    sum(w * level_mean(*c) for w, c in zip(weights, components, strict=True)),
)  # fmt: skip


def inflated(log_q):
    """log(π [x = 0] + (1 - π) q) for π of the logits LOGITS."""
    pi = special.expit(LOGITS.astype("f8"))
    return np.log(pi * (COUNTS == 0) + (1.0 - pi) * np.exp(log_q))


RATES, THETAS = np.exp(LOG_RATES.astype("f8")), np.exp(LOG_THETAS.astype("f8"))
poisson = stats.poisson.logpmf(COUNTS, RATES)
negative_binomial = stats.nbinom.logpmf(COUNTS, THETAS, THETAS / (THETAS + RATES))
for name, likelihood, params, log_q in (
    ("poisson", Poisson, LOG_RATES, poisson),
    ("negative binomial", NegativeBinomial, blocks(LOG_RATES, LOG_THETAS), negative_binomial),
):
    CASES[name] = (likelihood(), COUNTS, params, log_q, RATES)
    CASES["zero-inflated " + name] = (
        likelihood(zero_inflated=True), COUNTS, blocks(params, LOGITS), inflated(log_q),
        special.expit(-LOGITS) * RATES,
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_log_prob_and_mean_agree_with_scipy(case):
    likelihood, target, params, elementwise, mean = case
    log_prob = to_numpy(likelihood.log_prob(target, params))
    assert log_prob.dtype == "float32"
    assert_close(log_prob, elementwise.sum(axis=(1, 2)), rtol=1e-4)
    # That of the discretized logistic is exact to half a level.
    atol = 0.5 / 255 if "Discretized" in type(likelihood).__name__ else 1e-6
    np.testing.assert_allclose(to_numpy(likelihood.mean(params)), mean, rtol=1e-4, atol=atol)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_params_may_have_a_samples_axis(case):
    likelihood, target, params, elementwise, _ = case
    log_prob = to_numpy(likelihood.log_prob(target, np.stack([params, params])))
    assert_close(log_prob, [elementwise.sum(axis=(1, 2))] * 2, rtol=1e-4)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_samples_have_the_mean(case):
    likelihood, _, params, _, mean = case
    n = 4000
    draws = to_numpy(likelihood.sample(np.repeat(params[:1], n, axis=0), seed=1))
    assert draws.shape == (n, 4, 3)
    likelihood.check_target(draws)
    error = np.abs(draws.mean(axis=0) - mean[0])
    assert (error < 5.0 * draws.std(axis=0) / np.sqrt(n) + 1e-3).all()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_config_round_trip(case):
    likelihood, target, params, _, _ = case
    copy = built(kv.likelihoods.get(keras.saving.serialize_keras_object(likelihood)))
    copy.set_weights(likelihood.get_weights())
    np.testing.assert_array_equal(
        to_numpy(copy.log_prob(target, params)), to_numpy(likelihood.log_prob(target, params))
    )


@pytest.mark.parametrize("likelihood", [Bernoulli(False), Categorical(False)])
def test_probabilities_of_0_and_1_are_finite(likelihood):
    target = np.eye(2, dtype="float32")
    for params in (target, 1.0 - target):
        assert np.isfinite(to_numpy(likelihood.log_prob(target, params))).all()


@pytest.mark.parametrize("from_logits", [True, False])
def test_continuous_bernoulli_is_a_density_and_agrees_with_tensorflow_probability(from_logits):
    import tensorflow_probability as tfp

    likelihood = ContinuousBernoulli(from_logits)
    logits = np.concatenate([LOGITS, np.linspace(-0.05, 0.05, 12).reshape(1, 4, 3)]).astype("f4")
    target = np.concatenate([UNIT, UNIT[:1]])
    params = logits if from_logits else special.expit(logits)
    reference = tfp.distributions.ContinuousBernoulli(logits=logits)
    log_prob = to_numpy(likelihood.log_prob(target, params))
    np.testing.assert_allclose(
        log_prob, reference.log_prob(target).numpy().sum((1, 2)), rtol=1e-3, atol=1e-4
    )
    # TFP's mean is coarse near 1/2: there the integral decides.
    grid = np.linspace(0.0, 1.0, 20_001)[:, None]
    for logit in (-6.0, -0.5, -1e-3, 0.0, 0.01, 0.03, 8.0):
        one = np.full((1, 1), logit, "f4") if from_logits else special.expit(np.full((1, 1), logit))
        density = np.exp(
            to_numpy(likelihood.log_prob(grid.astype("f4"), np.repeat(one, 20_001, 0)))
        )
        np.testing.assert_allclose(np.trapezoid(density, grid[:, 0]), 1.0, rtol=1e-3)
        expected = np.trapezoid(density * grid[:, 0], grid[:, 0])
        np.testing.assert_allclose(to_numpy(likelihood.mean(one)), [[expected]], rtol=1e-3)


def test_continuous_bernoulli_mean_keeps_its_digits():
    logits = np.concatenate([np.linspace(-3.0, 3.0, 200), [0.019, 0.021, 1e-3]]).astype("float32")
    exact = logits.astype("float64")
    expected = -1.0 / np.expm1(-exact) - 1.0 / exact
    np.testing.assert_allclose(to_numpy(ContinuousBernoulli().mean(logits)), expected, rtol=1e-6)


def test_continuous_bernoulli_samples():
    likelihood = ContinuousBernoulli()
    for logit in (-7.0, -0.4, 0.0, 3.0):
        params = np.full((4000, 1), logit, "float32")
        draws = to_numpy(likelihood.sample(params, seed=0))
        likelihood.check_target(draws)
        error = abs(draws.mean() - to_numpy(likelihood.mean(params))[0, 0])
        assert error < 5.0 * draws.std() / np.sqrt(4000)


def test_large_logits_are_exact():
    log_prob = Bernoulli().log_prob(np.float32([[1.0], [0.0]]), np.float32([[-500.0], [-500.0]]))
    np.testing.assert_allclose(to_numpy(log_prob), [-500.0, 0.0], atol=1e-6)


def test_names_and_functions():
    assert type(kv.likelihoods.get("bernoulli")) is Bernoulli
    assert type(kv.likelihoods.get("gaussian")) is Gaussian
    assert type(kv.likelihoods.get("categorical")) is Categorical
    own = kv.likelihoods.get(lambda target, params: -keras.ops.sum((target - params) ** 2, -1))
    assert type(own) is FromFunction
    np.testing.assert_allclose(to_numpy(own.log_prob(np.ones((2, 3)), np.zeros((2, 3)))), -3.0)


def test_wrong_use():
    with pytest.raises(ValueError, match=r"Unknown likelihood 'bernouli'.*'bernoulli', 'categ"):
        kv.likelihoods.get("bernouli")
    with pytest.raises(TypeError, match=r"inherits from keras_vae\.likelihoods\.Likelihood"):
        kv.likelihoods.get(3)
    with pytest.raises(TypeError, match=r"call it: Bernoulli\(\)"):
        kv.likelihoods.get(Bernoulli)
    for sigma in (0.0, -1.0, float("nan"), "1"):
        with pytest.raises(ValueError, match="sigma must be a positive number"):
            Gaussian(sigma)
    known = "or one of 'learned', 'per_feature', 'decoder', 'optimal'; received 'optimum'"
    with pytest.raises(ValueError, match=known):
        Gaussian("optimum")
    for n_levels in (1, 0, 25.5):
        with pytest.raises(ValueError, match="n_levels must be"):
            DiscretizedLogistic(n_levels)
    with pytest.raises(ValueError, match="n_levels must be at least 2"):
        DiscretizedLogisticMixture(n_levels=1)
    with pytest.raises(ValueError, match="n_components must be a positive integer"):
        DiscretizedLogisticMixture(0)
    for likelihood in (DiscretizedLogistic(), DiscretizedLogisticMixture()):
        with pytest.raises(ValueError, match=r"Discretized\w+ needs values in \[0, 1\]"):
            likelihood.check_target(np.array([[0, 255]], "uint8"))
    with pytest.raises(ValueError, match="one-hot"):
        Categorical().check_target(np.array([[3.0, 1.0]]))
    with pytest.raises(ValueError, match=r"values in \[0, 1\].* 0 to 255.*255"):
        Bernoulli().check_target(np.array([[0, 255]], "uint8"))
