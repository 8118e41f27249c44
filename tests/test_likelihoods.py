import keras
import numpy as np
import pytest
from helpers import to_numpy
from scipy import special, stats

import keras_vae as kv
from keras_vae.likelihoods import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    FromFunction,
    Gaussian,
    Laplace,
    StudentT,
)

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(scale=2.0, size=(5, 4, 3)).astype("float32")
BITS = (RNG.random((5, 4, 3)) < 0.5).astype("float32")
ONE_HOT = np.eye(3, dtype="float32")[RNG.integers(3, size=(5, 4))]
REALS = RNG.normal(size=(5, 4, 3)).astype("float32")
UNIT = RNG.random((5, 4, 3)).astype("float32")


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
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_log_prob_and_mean_agree_with_scipy(case):
    likelihood, target, params, elementwise, mean = case
    log_prob = to_numpy(likelihood.log_prob(target, params))
    assert log_prob.dtype == "float32"
    np.testing.assert_allclose(log_prob, elementwise.sum(axis=(1, 2)), rtol=1e-4)
    np.testing.assert_allclose(to_numpy(likelihood.mean(params)), mean, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_params_may_have_a_samples_axis(case):
    likelihood, target, params, elementwise, _ = case
    log_prob = to_numpy(likelihood.log_prob(target, np.stack([params, params])))
    np.testing.assert_allclose(log_prob, [elementwise.sum(axis=(1, 2))] * 2, rtol=1e-4)


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
    copy = kv.likelihoods.get(keras.saving.serialize_keras_object(likelihood))
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


def test_continuous_bernoulli_samples():
    likelihood = ContinuousBernoulli()
    for logit in (-7.0, -0.4, 0.0, 3.0):
        params = np.full((4000, 1), logit, "float32")
        draws = to_numpy(likelihood.sample(params, seed=0))
        likelihood.check_target(draws)
        error = abs(draws.mean() - to_numpy(likelihood.mean(params))[0, 0])
        assert error < 5.0 * draws.std() / np.sqrt(4000)


@pytest.mark.parametrize("name", sorted(kv.likelihoods.NAMES))
def test_every_likelihood_trains_saves_and_loads(name, tmp_path):
    from helpers import make_vae

    target = np.eye(2, dtype="float32")[(RNG.random((64, 6)) < 0.3).astype(int)]
    vae = make_vae(likelihood=name, decoder=kv.networks.DenseDecoder((6, 2), (8,)))
    history = vae.fit(target, epochs=4, verbose=0).history["loss"]
    assert history[-1] < history[0]
    vae.save(tmp_path / "vae.keras")
    copy = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_allclose(copy.reconstruct(target), vae.reconstruct(target), rtol=1e-5)


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
    with pytest.raises(TypeError, match="log_prob"):
        kv.likelihoods.get(3)
    with pytest.raises(TypeError, match="log_prob"):
        kv.likelihoods.get(Bernoulli)
    for sigma in (0.0, -1.0, float("nan"), "1"):
        with pytest.raises(ValueError, match="sigma must be a positive number"):
            Gaussian(sigma)
    with pytest.raises(ValueError, match="one-hot"):
        Categorical().check_target(np.array([[3.0, 1.0]]))
    with pytest.raises(ValueError, match=r"values in \[0, 1\].* 0 to 255.*255"):
        Bernoulli().check_target(np.array([[0, 255]], "uint8"))
