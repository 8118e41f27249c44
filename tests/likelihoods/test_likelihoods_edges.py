"""Values and gradients stay finite at the edges of what a likelihood may be given."""

import itertools

import keras
import numpy as np
import pytest
from helpers import gradient, to_numpy

from keras_vae.likelihoods import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    Gaussian,
    Laplace,
    NegativeBinomial,
    Poisson,
    StudentT,
)

RAW = (-1e4, -100.0, -1.0, 0.0, 0.5, 1.0, 100.0, 1e4)
PROBABILITIES = (0.0, 1e-8, 0.5, 1.0)
UNIT, REAL, COUNT = (0.0, 0.5, 1.0), (-1e4, 0.0, 1e4), (0.0, 1.0, 1e3, 1e7)
CASES = [
    (Bernoulli(), UNIT, RAW),
    (Bernoulli(from_logits=False), UNIT, PROBABILITIES),
    (ContinuousBernoulli(), UNIT, RAW),
    (ContinuousBernoulli(from_logits=False), UNIT, PROBABILITIES),
    (Gaussian(), REAL, RAW),
    (Gaussian("decoder"), REAL, RAW),
    (Laplace(), REAL, RAW),
    (StudentT(), REAL, RAW),
    (DiscretizedLogistic(), UNIT, RAW),
    (DiscretizedLogistic(2), UNIT, RAW),
    (DiscretizedLogistic(65_536), UNIT, RAW),
    (DiscretizedLogisticMixture(2), UNIT, (-1e4, 0.5, 1e4)),
    (Poisson(), COUNT, RAW),
    (Poisson(zero_inflated=True), COUNT, RAW),
    (NegativeBinomial(), COUNT, RAW),
    (NegativeBinomial(zero_inflated=True), COUNT, RAW),
]


def combinations(n_params, targets, params):
    grid = np.array(list(itertools.product(targets, *[params] * n_params)), "float32")
    # One size for all, as JAX compiles every operation for every size anew.
    grid = np.resize(grid, (2187, 1 + n_params))
    return grid[:, :1], grid[:, 1:]


@pytest.mark.parametrize(
    ("likelihood", "targets", "params"),
    CASES,
    ids=[f"{type(case[0]).__name__}-{i}" for i, case in enumerate(CASES)],
)
def test_everything_is_finite(likelihood, targets, params):
    target, params = combinations(likelihood.params_per_feature, targets, params)
    likelihood.check_target(target)
    assert np.isfinite(to_numpy(likelihood.log_prob(target, params))).all()

    def log_prob_and_mean(params):
        log_prob = keras.ops.sum(likelihood.log_prob(target, params))
        return log_prob + keras.ops.sum(likelihood.mean(params))

    assert np.isfinite(gradient(log_prob_and_mean, params)).all()
    mean = to_numpy(likelihood.mean(params))
    draws = to_numpy(likelihood.sample(params, seed=0))
    assert np.isfinite(mean).all()
    assert np.isfinite(draws).all()
    if targets is not REAL:
        likelihood.check_target(draws)
    if targets is UNIT:
        assert ((mean >= 0.0) & (mean <= 1.0)).all()


@pytest.mark.parametrize("from_logits", [True, False])
def test_categorical_is_finite(from_logits):
    values = RAW if from_logits else PROBABILITIES
    params = np.array(list(itertools.product(values, values)), "float32")
    likelihood = Categorical(from_logits)
    for target in np.eye(2, dtype="float32"):
        target = np.broadcast_to(target, params.shape)
        assert np.isfinite(to_numpy(likelihood.log_prob(target, params))).all()
        assert np.isfinite(gradient(lambda p, x=target: likelihood.log_prob(x, p), params)).all()


def test_levels_of_the_discretized_logistic_add_up_to_one():
    likelihood = DiscretizedLogistic(16)
    levels = (np.arange(16) / 15.0).astype("float32")[:, None]
    for mean, log_scale in itertools.product(
        (-3.0, 0.0, 0.48, 1.2), (-100.0, -6.0, -2.0, 0.5, 9.0)
    ):
        params = np.tile(np.float32([mean, log_scale]), (16, 1))
        p = np.exp(to_numpy(likelihood.log_prob(levels, params)))
        np.testing.assert_allclose(p.sum(), 1.0, rtol=1e-5)
        # Values off the grid count as the nearest level.
        np.testing.assert_allclose(
            np.exp(to_numpy(likelihood.log_prob(np.clip(levels + 0.03, 0.0, 1.0), params))), p
        )


def test_tiny_masses_of_the_discretized_logistic_do_not_vanish():
    # μ = 0, s = 1/1000: level 128 of 256 lies 500 scales off, of mass e^-500.
    log_scale, x = np.log(1e-3), 128 / 255
    log_prob = DiscretizedLogistic().log_prob(np.float32([[x]]), np.float32([[0.0, log_scale]]))
    # For z so far out F(-z) = e^-z, at both ends of the level.
    expected = -1000.0 * (x - 0.5 / 255) + np.log1p(-np.exp(-1000.0 / 255))
    np.testing.assert_allclose(to_numpy(log_prob), [expected], rtol=1e-5)
