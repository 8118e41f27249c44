"""An encoder that sees what was not observed: in training, encoding, files and exports."""

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, assert_close, make_vae, set_same_weights, to_numpy

import keras_vae as kv
from keras_vae.likelihoods import Masked

NAN = np.nan


def holes(shape=(40, N_FEATURES)):
    rng = np.random.default_rng(0)
    x = (rng.random(shape) < 0.5).astype("float32")
    return np.where(rng.random(shape) < 0.3, NAN, x).astype("float32")


def seeing(network=None, **kwargs):
    network = kv.networks.DenseEncoder((8,)) if network is None else network
    return kv.VariationalEncoder(3, network, sees_mask=True, **kwargs)


def with_mask(x):
    return np.concatenate([np.nan_to_num(x), ~np.isnan(x)], axis=-1).astype("float32")


def test_the_network_gets_values_and_mask():
    encoder, x = seeing(), holes()
    z_mean, _, _ = encoder(x)
    by_hand = encoder.head(encoder.network(with_mask(x)))["z_mean"]
    np.testing.assert_allclose(to_numpy(z_mean), to_numpy(by_hand), rtol=1e-6)
    # A value of 0 is told from none.
    zero, none = np.zeros((1, N_FEATURES), "float32"), np.full((1, N_FEATURES), NAN, "float32")
    assert not np.allclose(to_numpy(encoder(zero)[0]), to_numpy(encoder(none)[0]))


@pytest.mark.parametrize("objective", ["elbo", "iwae", "info_max_vae"])
def test_a_vae_trains_encodes_imputes_and_comes_back(objective, tmp_path):
    x = holes()
    vae = make_vae(encoder=seeing(), likelihood=Masked("bernoulli"), objective=objective)
    losses = vae.fit(x, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    by_hand = vae.encoder.head(vae.encoder.network(with_mask(x)))["z_mean"]
    assert_close(vae.encode(x), to_numpy(by_hand), 1e-5)
    for found in (vae.reconstruct(x), vae.impute(x, 20), vae.score(x), vae.encode(x, draw=True)):
        assert np.isfinite(found).all()
    vae.save(tmp_path / "vae.keras")
    copy = kv.load_model(tmp_path / "vae.keras")
    assert copy.encoder.sees_mask
    np.testing.assert_allclose(copy.encode(x), vae.encode(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(copy.impute(x, 20), vae.impute(x, 20), rtol=1e-4, atol=1e-5)


def test_images_have_twice_the_channels():
    x = holes((6, 8, 8, 1))
    encoder = kv.VariationalEncoder(2, sees_mask=True)
    decoder = kv.networks.DenseDecoder((8, 8, 1), (8,))
    vae = kv.VAE(encoder, decoder, Masked("bernoulli"))
    vae.build((None, 8, 8, 1))
    features = encoder.network(with_mask(x))
    by_hand = encoder.head(encoder.flatten(features))["z_mean"]
    assert_close(vae.encode(x), to_numpy(by_hand), 1e-5)


def test_without_a_mask_nothing_changes():
    x = np.nan_to_num(holes())
    vae = make_vae(encoder=seeing())
    vae.fit(x, epochs=1, verbose=0)
    assert np.isfinite(vae.encode(x)).all()
    assert "sees_mask" in vae.encoder.get_config()
    config = make_vae().encoder.get_config()
    del config["sees_mask"]  # as files of version 0.1 have it
    assert not kv.VariationalEncoder.from_config(config).sees_mask


def test_the_mask_goes_to_networks_with_a_condition_and_pseudo_inputs_have_all():
    x = holes()
    encoder = seeing()
    vae = make_vae(encoder=encoder, likelihood=Masked("bernoulli"), prior=kv.priors.VampPrior(4),
                   condition=kv.conditions.OneHot(3))  # fmt: skip
    vae.fit(x, condition=np.arange(40) % 3, verbose=0)
    assert np.isfinite(vae.encode(x, condition=1)).all()
    assert np.isfinite(vae.sample(2, condition=1)).all()


def test_what_is_exported_takes_holes(tmp_path):
    if keras.backend.backend() != "torch":
        pytest.skip("one backend shows it")
    import torch

    vae = make_vae(encoder=seeing(), likelihood=Masked("bernoulli"))
    vae.build((None, N_FEATURES))
    set_same_weights(vae.encoder)
    vae.export(tmp_path / "encode.pt2", format="torch", endpoint="encode")
    x = holes()[:1]
    program = torch.export.load(tmp_path / "encode.pt2").module()
    found = program(torch.tensor(x))
    found = found["z_mean"] if isinstance(found, dict) else found[0]
    np.testing.assert_allclose(to_numpy(found), vae.encode(x), rtol=1e-5, atol=1e-6)
