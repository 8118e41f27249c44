"""The means of the loss: exact over any number of rows."""

import math

import keras
import numpy as np
import pytest

import keras_vae as kv
from keras_vae.training.trackers import LossTracker, TermTracker


def loss_of_each(vae, x):
    return [vae.evaluate(row[None], verbose=0, return_dict=True)["loss"] for row in x]


@pytest.fixture(scope="module")
def vae():
    keras.utils.set_random_seed(0)
    encoder = kv.VariationalEncoder(2, kv.networks.DenseEncoder((4,)), posterior="point")
    model = kv.VAE(
        encoder, kv.networks.DenseDecoder(3, (4,)), "gaussian", objective=kv.objectives.RAE()
    )
    model.compile("sgd")
    return model


def test_means_beside_exact_sums():
    rng = np.random.default_rng(0)
    losses, kls = rng.gamma(2.0, 50.0, 500), rng.normal(3.0, 1.0, 500)
    # After 2**30 rows float32 adds 128 or nothing.
    weights = np.array([2.0**30, *np.full(498, 50.0), 2.0**20])
    tracker = LossTracker(["kl_loss"])
    kl = TermTracker("kl_loss", tracker.mean)
    losses, kls, weights = (a.astype("float32") for a in (losses, kls, weights))
    for row in zip(losses, kls, weights, strict=True):
        loss, value, weight = map(keras.ops.convert_to_tensor, row)
        tracker.update_state({"loss": loss, "kl_loss": value}, weight)
    products = losses.astype("float64") * weights, kls.astype("float64") * weights
    for found, product in zip((tracker, kl), products, strict=True):
        expected = math.fsum(product) / math.fsum(weights)
        assert float(found.result()) == pytest.approx(expected, rel=2e-7)
    sums = np.array([*(math.fsum(product) for product in products), math.fsum(weights)])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(tracker.sums), sums, rtol=2e-7)
    tracker.reset_state()
    assert float(tracker.result()) == float(kl.result()) == 0.0


@pytest.mark.parametrize("batch_size", [1, 5])
def test_evaluate_after_many_rows(vae, batch_size):
    """One row stands for 2**26: the rows after it count as they do alone."""
    x = np.concatenate([np.zeros((5, 3)), np.full((300, 3), 8.0)]).astype("float32")
    weights = np.array([2.0**26, *np.zeros(4), *np.ones(300)], "float32")
    vae.evaluate(x[:2], verbose=0)
    losses = loss_of_each(vae, x[[0, -1]])
    expected = np.average([losses[0], *[losses[1]] * 300], weights=weights[weights > 0])
    assert expected - losses[0] > 1e-5 * losses[0]
    found = vae.evaluate(
        x, sample_weight=weights, batch_size=batch_size, verbose=0, return_dict=True
    )
    assert found["loss"] == pytest.approx(expected, rel=1e-6)
