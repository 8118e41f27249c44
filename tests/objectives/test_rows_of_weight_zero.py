"""Rows of sample weight zero count as if they were not in the batch, whatever they hold."""

import keras
import numpy as np
import pytest
from helpers import assert_same_logs, gradient, make_vae, set_same_weights, to_numpy
from keras import ops

import keras_vae as kv
from keras_vae.numerics.weighted_mean import weighted_mean
from keras_vae.objectives import Forward
from keras_vae.training import rows_of_weight_zero

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
    objective.build((None, 4), (None, 3))
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
    terms = objective.compute(forward).by_name()
    return {name: weighted_mean(name, term, weights) for name, term in terms.items()}


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


def trained(objective, batches):
    """The weights after two epochs of a stream, with the logs and those of an evaluation."""
    vae = make_vae(
        keras.optimizers.SGD(1e-5), noise=0.5, likelihood="gaussian", objective=objective
    )
    vae.build((None, 12))
    set_same_weights(vae.encoder.network)
    set_same_weights(vae.encoder.head, 1)
    set_same_weights(vae.decoder, 2)
    options = {"epochs": 2, "shuffle": False, "verbose": 0}
    history = vae.fit(Batches(batches), **options).history
    assert np.isfinite(history["loss"]).all()
    logs = vae.evaluate(Batches(batches), return_dict=True, verbose=0)
    return vae.get_weights(), history, logs


class Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("name", ["elbo", "beta_tc_vae", "dip_vae"])
def test_what_a_row_of_weight_zero_holds_changes_no_weight_and_no_log(name, value):
    arguments = {"data_size": 16} if name == "beta_tc_vae" else {}
    x = RNG.normal(size=(2, 8, 12)).astype("float32")
    weights = np.array([[1, 2, 1, 1, 1, 1, 1, 1], [0, 1, 1, 0, 2, 1, 0, 1]], "float32")
    wild = np.where(weights[..., None] == 0, value, x).astype("float32")
    counted = [(b[w > 0], b[w > 0], w[w > 0]) for b, w in zip(x, weights, strict=True)]
    expected = trained(kv.objectives.NAMES[name](**arguments), counted)
    found = trained(
        kv.objectives.NAMES[name](**arguments), list(zip(wild, wild, weights, strict=True))
    )
    for part, other in zip(found[0], expected[0], strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-4, atol=1e-5)
    for part, other in zip(found[1:], expected[1:], strict=True):
        assert_same_logs(part, other, 1e-5)


def test_a_batch_in_which_no_row_counts_changes_no_weight(x):
    vae = make_vae()
    vae.fit(x, verbose=0)
    before = [to_numpy(v) for v in vae.trainable_variables]
    vae.optimizer = keras.optimizers.SGD(1.0)
    rows = np.full((4, 12), np.nan, "float32")
    loss = vae.test_on_batch(rows, rows, np.zeros((4, 1)))
    assert np.all(np.isfinite(loss))
    vae.compile(keras.optimizers.SGD(1.0))
    vae.train_on_batch(rows, rows, np.zeros(4))
    for variable, value in zip(vae.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), value)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int32", "bool"])
def test_rows_of_weight_zero_become_the_first_row_that_counts(dtype):
    x = np.array([[[7], [1]], [[2], [0]], [[9], [1]]]).astype(dtype)
    weights = np.array([[0], [1], [0]])
    found, y, _ = rows_of_weight_zero.replaced(x, None, weights)
    assert y is None
    np.testing.assert_array_equal(to_numpy(found), x[[1, 1, 1]])
    found, y, _ = rows_of_weight_zero.replaced(x, x[:, 0], 0 * weights)
    np.testing.assert_array_equal(to_numpy(found), 0 * x)
    np.testing.assert_array_equal(to_numpy(y), 0 * x[:, 0])


def test_a_loss_of_ones_own_loop_is_as_without_the_rows(x):
    vae = make_vae(noise=0.5)
    vae.fit(x, verbose=0)
    rows, weights = x[:4].copy(), np.array([1, 0, 1, 1], "float32")
    rows[1] = np.nan
    found = vae.compute_loss(ops.array(rows), sample_weight=ops.array(weights), training=False)
    expected = vae.compute_loss(ops.array(x[[0, 2, 3]]), training=False)
    np.testing.assert_allclose(to_numpy(found), to_numpy(expected), rtol=1e-5)
