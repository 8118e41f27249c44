"""The regularized autoencoder: its loss, and what it refuses."""

import warnings

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, make_vae, to_numpy

import keras_vae as kv


def make_rae(**kwargs):
    objective = kv.objectives.RAE(z_weight=0.3, decoder_weight=0.02)
    return make_vae(**{"likelihood": "gaussian", "objective": objective, **kwargs})


def test_the_loss_in_numpy(x):
    rae = make_rae()
    rae.build((None, N_FEATURES))
    logs = rae.evaluate(x, batch_size=256, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "reconstruction_loss", "code_norm", "decoder_norm"}
    codes, mean = rae.encode(x), rae.reconstruct(x)
    log_px = -0.5 * ((x - mean) ** 2 + np.log(2.0 * np.pi)).sum(axis=-1)
    code_norm = 0.5 * (codes**2).sum(axis=-1).mean()
    decoder_norm = sum((to_numpy(w) ** 2).sum() for w in rae.decoder.trainable_weights)
    np.testing.assert_allclose(logs["reconstruction_loss"], -log_px.mean(), rtol=1e-5)
    np.testing.assert_allclose(logs["code_norm"], code_norm, rtol=1e-5)
    np.testing.assert_allclose(logs["decoder_norm"], decoder_norm, rtol=1e-5)
    expected = -log_px.mean() + 0.3 * code_norm + 0.02 * decoder_norm
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)


def test_the_weights_pull(x):
    norms = {}
    for weight in (0.0, 1.0):
        keras.utils.set_random_seed(1)
        rae = make_rae(objective=kv.objectives.RAE(0.0, weight))
        rae.fit(x, epochs=5, verbose=0)
        norms[weight] = rae.evaluate(x, verbose=0, return_dict=True)["decoder_norm"]
    assert norms[1.0] < 0.8 * norms[0.0]
    rae.objective.z_weight = 2.0
    assert np.isfinite(rae.fit(x, verbose=0).history["loss"]).all()


def test_samples_after_a_prior_is_fitted(x, tmp_path):
    rae = make_rae()
    rae.fit(x, epochs=2, verbose=0)
    with pytest.warns(UserWarning, match="Nothing has drawn the codes"):
        rae.sample(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        mixture = kv.priors.GaussianMixture(3, covariance="full")
        rae.fit_prior(x, mixture, epochs=2, verbose=0)
        assert rae.sample(2).shape == (2, N_FEATURES)
    rae.save(tmp_path / "rae.keras")
    copy = kv.load_model(tmp_path / "rae.keras")
    np.testing.assert_allclose(copy.sample(3, seed=1), rae.sample(3, seed=1), rtol=1e-5, atol=1e-6)
    found, expected = (v.fit(x, verbose=0).history["loss"] for v in (copy, rae))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_what_a_point_lacks_is_refused_by_name(x):
    encoder = kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,)), posterior="point")
    for objective in ("elbo", "iwae", "beta_tc_vae", kv.objectives.WAE()):
        with pytest.raises(ValueError, match=r"needs the KL, which a PointMass does not have"):
            make_vae(encoder=encoder, objective=objective)
    diagonal = kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,)))
    with pytest.raises(ValueError, match=r"RAE has no KL, without which a DiagonalNormal"):
        make_rae(encoder=diagonal)
    rae = make_rae()
    rae.build((None, N_FEATURES))
    with pytest.raises(ValueError, match=r"Cannot score: the posterior is a point"):
        rae.score(x)
    with pytest.raises(ValueError, match=r"Cannot estimate log_likelihood: the posterior is a po"):
        rae.log_likelihood(x)
    with pytest.raises(ValueError, match=r"which a PointMass does not know"):
        rae.fit_prior(x, "vamp")
    with pytest.raises(ValueError, match="z_weight"):
        kv.objectives.RAE(-1.0)


def test_the_spread_of_a_point_is_zero_and_penalties_go_with_it(x):
    rae = make_rae(objective=kv.objectives.RAE() + kv.objectives.MMD(1.0))
    logs = rae.fit(x, verbose=0).history
    assert np.isfinite(logs["mmd"]).all()
    found = rae.encode_distribution(x[:5])
    np.testing.assert_array_equal(found.z_std, np.zeros((5, 3)))
    np.testing.assert_array_equal(found.z_mean, rae.encode(x[:5]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        rae.sample(2)  # the penalty draws the codes to the prior


def test_a_grid_of_points():
    x = np.random.default_rng(0).random((8, 4, 4, 1)).astype("float32")
    network = keras.layers.Conv2D(4, 3, 2, "same")
    encoder = kv.VariationalEncoder(latent_shape=(2, 2, 3), network=network, posterior="point")
    decoder = keras.Sequential([keras.layers.Conv2DTranspose(1, 3, 2, "same")])
    rae = kv.VAE(encoder, decoder, "gaussian", objective="rae")
    rae.compile("adam")
    assert np.isfinite(rae.fit(x, verbose=0).history["loss"]).all()
    assert rae.encode(x).shape == (8, 2, 2, 3)
    rae.fit_prior(x, "two_stage", epochs=1, verbose=0)
    assert rae.sample(2).shape == (2, 4, 4, 1)
