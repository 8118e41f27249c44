"""Rows of sample weight zero count as if they were not in the batch, whatever they hold."""

import numpy as np
import pytest
from helpers import gradient, make_vae, to_numpy
from keras import ops

import keras_vae as kv
from keras_vae.numerics.weighted_mean import weighted_mean
from keras_vae.objectives import Forward

RNG = np.random.default_rng(0)
COUNTS = np.array([0, 1, 1, 0, 0, 1, 1, 1, 0], bool)
WEIGHTS = COUNTS * RNG.uniform(0.5, 2.0, len(COUNTS))
WILD = np.where(COUNTS, 1.0, 1e3)[:, None]
MEAN = (RNG.normal(size=(9, 3)) * WILD).astype("float32")
LOG_VAR = np.where(COUNTS[:, None], RNG.normal(size=(9, 3)), 9.0).astype("float32")
TARGET = (RNG.random((9, 4)) < 0.5).astype("float32")
EPSILON = RNG.normal(size=(20, 9, 3)).astype("float32")
DECODER = RNG.normal(size=(3, 4)).astype("float32")
CASES = {name: (name, {}, None) for name in kv.objectives.NAMES} | {
    "weighted sampling": ("beta_tc_vae", {"estimator": "weighted"}, None),
    "dip_vae of kind i": ("dip_vae", {"kind": "i"}, None),
    "doubly reparameterized": ("iwae", {"gradient": "doubly_reparameterized"}, None),
    **{f"{name} of two draws": (name, {}, 2) for name in ("wae", "factor_vae", "beta_tc_vae")},
}


class FixedPrior(kv.priors.StandardNormal):
    """Its first draws are the same, however many are asked for."""

    def sample(self, n, seed=None):
        return ops.array(np.random.default_rng(1).normal(size=(100, 3)).astype("float32"))[:n]


def set_critic(objective):
    objective.build((4,), 3)
    if objective.network is not None:
        rng = np.random.default_rng(2)
        weights = objective.network.get_weights()
        objective.network.set_weights([0.1 * rng.normal(size=w.shape) for w in weights])


def means(objective, rows, z_mean, n_draws):
    """The batch means of all terms of some rows."""
    n_draws = objective.n_draws or n_draws
    epsilon = EPSILON[:n_draws, rows] if n_draws else EPSILON[0, rows]
    z = z_mean + ops.array(np.exp(0.5 * LOG_VAR[rows]) * epsilon)
    weights = ops.array(WEIGHTS[rows], "float32")
    prior = FixedPrior()
    prior.build((None, 3))
    forward = Forward(
        x=ops.array(TARGET[rows]),
        target=ops.array(TARGET[rows]),
        params=ops.matmul(z, ops.array(DECODER)),
        z=z,
        posterior=kv.posteriors.DiagonalNormal(z_mean, LOG_VAR[rows]),
        prior=prior,
        likelihood=kv.likelihoods.Bernoulli(),
        sample_weight=weights / ops.sum(weights),
        decode=lambda codes: ops.matmul(codes, ops.array(DECODER)),
        data_size=ops.array(40.0),
    )
    return {name: weighted_mean(name, t, weights) for name, t in objective(forward).items()}


@pytest.mark.parametrize("case", CASES)
def test_every_objective_is_as_without_the_rows(case):
    name, arguments, n_draws = CASES[case]
    objective = kv.objectives.NAMES[name](**arguments)
    set_critic(objective)
    everything, those_that_count = np.arange(9), np.flatnonzero(COUNTS)
    found = means(objective, everything, ops.array(MEAN), n_draws)
    expected = means(objective, those_that_count, ops.array(MEAN[COUNTS]), n_draws)
    for term, value in expected.items():
        np.testing.assert_allclose(
            to_numpy(found[term]), to_numpy(value), rtol=1e-5, atol=1e-5, err_msg=term
        )

    def loss(rows):
        return lambda z_mean: means(objective, rows, z_mean, n_draws)["loss"]

    expected = np.zeros_like(MEAN)
    expected[COUNTS] = gradient(loss(those_that_count), MEAN[COUNTS])
    scale = np.abs(expected).max()
    found = gradient(loss(everything), MEAN)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * scale)


def test_the_size_of_the_data_leaves_out_rows_of_weight_zero(x):
    weights = (np.arange(len(x)) % 4 > 0).astype("float32")
    vae = make_vae(objective="beta_tc_vae")
    vae.fit(x, sample_weight=weights, validation_split=0.5, verbose=0)
    assert float(to_numpy(vae.data_size)) == 96
