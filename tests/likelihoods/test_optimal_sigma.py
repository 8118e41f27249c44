"""Gaussian("optimal"): the best σ of a batch while it trains, of an epoch otherwise."""

import keras
import numpy as np
import pytest
from helpers import FixedNoise, to_numpy

import keras_vae as kv
from keras_vae.likelihoods import Gaussian, Masked

RNG = np.random.default_rng(0)
# Rows of very different errors, so that batches differ.
X = (RNG.normal(size=(77, 6)) * RNG.uniform(0.1, 3.0, size=(77, 1))).astype("float32")
WEIGHTS = RNG.integers(0, 3, size=77).astype("float32")


def make_vae(likelihood="optimal", learning_rate=0.0, noise=0.5, **kwargs):
    likelihood = Gaussian("optimal") if likelihood == "optimal" else likelihood
    encoder = kv.VariationalEncoder(2, kv.networks.DenseEncoder((8,)))
    if noise is not None:
        encoder.sampler = FixedNoise(noise)
    vae = kv.VAE(encoder, kv.networks.DenseDecoder(6, (8,)), likelihood, **kwargs)
    vae.compile(keras.optimizers.SGD(learning_rate))
    return vae


def mean_square_error(vae, x, weights=None, noise=0.5):
    """Returns the errors of x's reconstructions with fixed noise, averaged by NumPy."""
    outputs = vae(np.nan_to_num(x), latent=True)
    z = outputs["z_mean"] + keras.ops.exp(0.5 * outputs["z_log_var"]) * noise
    errors = (to_numpy(vae.decoder(z)).astype("f8") - x) ** 2
    weights = np.ones(len(x)) if weights is None else weights
    weights = weights[:, None] * ~np.isnan(x)
    return np.sum(weights * np.nan_to_num(errors)) / np.sum(weights)


def variance(vae):
    return float(to_numpy(getattr(vae.likelihood, "likelihood", vae.likelihood).variance))


@pytest.mark.parametrize("device_loop", [False, "auto"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["all", "weighted"])
def test_after_fit_sigma_is_that_of_the_epoch(weights, device_loop):
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.0), device_loop=device_loop)
    # A last batch of 13 rows.
    vae.fit(X, sample_weight=weights, batch_size=16, epochs=2, verbose=0)
    expected = mean_square_error(vae, X, weights)
    assert variance(vae) == pytest.approx(expected, rel=1e-4)
    # Evaluation uses it: the sum of log N(x; μ, σ²) follows from the errors.
    loss = vae.evaluate(X, sample_weight=weights, batch_size=20, verbose=0, return_dict=True)
    expected = 6 * 0.5 * (1.0 + np.log(2.0 * np.pi * expected))
    assert loss["reconstruction_loss"] == pytest.approx(expected, rel=1e-4)


def test_an_epoch_of_missing_values_is_weighted_by_what_was_observed():
    x = np.where(RNG.random(X.shape) < 0.7, X, np.nan)
    vae = make_vae(Masked(Gaussian("optimal")))
    vae.fit(x, batch_size=16, verbose=0)
    assert variance(vae) == pytest.approx(mean_square_error(vae, x), rel=1e-4)


def test_the_last_epoch_counts_and_validation_sees_its_sigma():
    vae = make_vae(learning_rate=1e-3)
    seen = []
    # An SGD of 0 in the last epoch, so that NumPy can say what its errors were.
    stop = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda e, _: e == 3 and setattr(vae.optimizer, "learning_rate", 0.0),
        on_test_begin=lambda _: seen.append(variance(vae)),
    )
    vae.fit(X, batch_size=16, epochs=4, callbacks=[stop], verbose=0, validation_data=(X, X))
    expected = mean_square_error(vae, X)
    assert variance(vae) == pytest.approx(expected, rel=1e-4)
    assert len(seen) == 4
    assert seen[-1] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("masked", [False, True])
def test_rows_of_weight_zero_change_nothing(masked):
    keep = WEIGHTS > 0
    losses = []
    for rows, weights in ((X, WEIGHTS), (X[keep], WEIGHTS[keep])):
        likelihood = Masked(Gaussian("optimal")) if masked else Gaussian("optimal")
        keras.utils.set_random_seed(3)
        vae = make_vae(likelihood, learning_rate=1e-3)
        if len(rows) == 77:
            rows = np.where(keep[:, None], rows, 1e4)
        logs = [vae.train_on_batch(rows, rows, sample_weight=weights) for _ in range(3)]
        losses.append([*np.ravel(logs), variance(vae)])
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_training_on_single_batches_uses_the_last_one():
    vae = make_vae()
    vae.train_on_batch(X[:40])
    vae.train_on_batch(X[40:50])
    assert variance(vae) == pytest.approx(mean_square_error(vae, X[40:50]), rel=1e-4)
    # An epoch begins anew, and ends with `fit`.
    vae.fit(X, batch_size=16, verbose=0)
    assert variance(vae) == pytest.approx(mean_square_error(vae, X), rel=1e-4)
    vae.train_on_batch(X[:10])
    assert variance(vae) == pytest.approx(mean_square_error(vae, X[:10]), rel=1e-4)


OBJECTIVES = {
    "iwae": kv.objectives.IWAE(8),
    "ciwae": kv.objectives.CIWAE(8, 0.3),
    "miwae": kv.objectives.MIWAE(2, 4),
    "piwae": kv.objectives.PIWAE(2, 4),
}


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES.keys())
def test_of_several_draws_sigma_is_the_best_for_the_bound(objective):
    likelihood = Gaussian("optimal")
    likelihood.build((None, 6))
    target, weights = X[:20], WEIGHTS[:20].copy()
    # Draws of very different errors, as of a posterior that has not been trained.
    params = target + RNG.normal(size=(8, 20, 6)) * RNG.uniform(0.01, 5.0, size=(8, 20, 1))
    params = params.astype("float32")
    log_ratio = RNG.normal(scale=3.0, size=(8, 20)).astype("float32")

    def bound(log_px):
        return objective.bound(log_px + keras.ops.array(log_ratio)[:, None], None)

    def loss(log_px):
        row = to_numpy(objective.bound(keras.ops.array(log_px + log_ratio), None))
        return np.sum(weights * row) / np.sum(weights)

    likelihood.update(target, params, sample_weight=weights, bound=bound)
    best = max(
        loss(to_numpy(Gaussian(float(s)).log_prob(target, params)))
        for s in np.geomspace(1e-3, 10, 300)
    )
    assert loss(to_numpy(likelihood.log_prob(target, params))) > best - 1e-2
    likelihood.update(target, params, sample_weight=weights)
    assert loss(to_numpy(likelihood.log_prob(target, params))) < best - 0.1


def test_training_with_iwae_takes_the_best_sigma():
    keras.utils.set_random_seed(1)
    vae = make_vae(noise=None, objective=kv.objectives.IWAE(16))
    vae.build((None, 6))
    state = vae.encoder.sampler.seed_generator.state
    seed = to_numpy(state).copy()
    loss = vae.train_on_batch(X)
    found = []
    for log_var in np.linspace(-3.0, 3.0, 61) + np.log(variance(vae)):
        # The same draws, with a σ that is given.
        state.assign(seed)
        vae.likelihood.variance.assign(np.exp(log_var))
        vae.likelihood.epoch.count.assign(0.0)
        found.append(vae.test_on_batch(X))
        vae.reset_metrics()
    loss, found = np.ravel(loss)[0], [np.ravel(f)[0] for f in found]
    assert loss == pytest.approx(min(found), abs=2e-2)


def test_a_model_goes_on_from_a_file_with_its_sigma(tmp_path):
    vae = make_vae(noise=None)
    vae.fit(X, batch_size=16, verbose=0)
    vae.save(tmp_path / "vae.keras")
    loaded = kv.load_model(tmp_path / "vae.keras")
    assert variance(loaded) == variance(vae)
    # A file that holds the variance alone, as of version 0.1.
    likelihood = Gaussian("optimal")
    likelihood.build((None, 6))
    likelihood.load_own_variables({"0": np.float32(0.37)})
    likelihood.epoch.load_own_variables({})
    assert to_numpy(likelihood.variance) == pytest.approx(0.37)


@keras.saving.register_keras_serializable(package="tests")
class Counting(Gaussian):
    """A user's own likelihood, with the signature that `update` had at first."""

    updates = 0

    def update(self, target, params, mask=None):
        type(self).updates += 1


def test_a_users_own_update_without_weights_still_works():
    Counting.updates = 0
    make_vae(Counting()).train_on_batch(X, X, sample_weight=WEIGHTS)
    assert Counting.updates >= 1
    masked = Masked(Counting())
    masked.update(X, X, sample_weight=WEIGHTS)
