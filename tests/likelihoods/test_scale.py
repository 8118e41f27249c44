"""Data whose scale does not suit the likelihood: a warning, and training that stays finite."""

import re
import warnings

import keras
import numpy as np
import pytest
from helpers import FixedNoise, to_numpy

import keras_vae as kv
from keras_vae.likelihoods import Gaussian, Laplace, Masked, StudentT

RNG = np.random.default_rng(0)
X = RNG.normal(size=(128, 2)) @ RNG.normal(size=(2, 5)) + 0.3 * RNG.normal(size=(128, 5))
X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype("float32")
IMAGES = np.zeros((200, 12, 12, 1), "float32")
IMAGES[:, 3:9, 3:9] = RNG.random((200, 6, 6, 1))
IMAGES[7, 0, 0] = 1 / 255  # an edge that one image touches


def with_column(value):
    return np.where(np.arange(5) == 3, value, X).astype("float32")


def warnings_of(likelihood, x):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        likelihood.look_at(x)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(
    ("likelihood", "x", "named"),
    [
        (Gaussian(), with_column(1e9 * X), "Gaussian .scale 1.*in column 3 .mean .*, std 1e.09.: "),
        (Gaussian(), with_column(X + 1e4), "in column 3 .mean 1e.04, std 1.:"),
        (Gaussian("learned"), 1e6 * X, "in column 0 .*column 4"),
        (Gaussian("optimal"), 1e-5 * X, "in column 0 .*column 4"),
        (Gaussian(), with_column(1e-5 * X), "in column 3 .mean .*, std 1e-05.:"),
        (Gaussian(10.0), 1e-2 * X, "scale 10"),
        (Gaussian(0.01), 50 * X, "scale 0.01"),
        (Laplace(), 1e6 * X, "Laplace"),
        (StudentT(), 1e6 * X, "StudentT"),
        (Masked("gaussian"), np.where(X > 0, X * 1e6, np.nan), "Gaussian"),
        (Gaussian(), 255.0 * 255.0 * IMAGES, r"in \[\.\.\., 0\]"),
        (Gaussian(), np.tile(1e9 * X, (1, 4)), "column 4 .*, 15 more: "),
    ],
)
def test_columns_whose_scale_does_not_suit_are_named(likelihood, x, named):
    (message,) = warnings_of(likelihood, x)
    assert re.search(named, message), message
    assert "standardize" in message and 'Gaussian("per_feature")' in message


USUAL = {
    "standardized": X,
    "tens": 20 * X,
    "ones": np.ones_like(X),
    "images": IMAGES,
    "flat images": IMAGES.reshape(200, -1),
    "images of two axes": IMAGES[..., 0],
    "one row": X[:1],
    "a constant column": with_column(0.0),
}


@pytest.mark.parametrize("x", USUAL.values(), ids=USUAL.keys())
def test_data_of_a_usual_scale_passes_quietly(x):
    for likelihood in (Gaussian(), Gaussian("learned"), Gaussian("optimal"), Laplace(), StudentT()):
        assert warnings_of(likelihood, x) == []
    assert warnings_of(Gaussian(0.01), IMAGES) == []
    holes = np.where(RNG.random(x.shape) < 0.5, x, np.nan)
    assert warnings_of(Masked("gaussian"), holes) == []
    assert warnings_of(Masked("gaussian"), np.full_like(holes, np.nan)) == []


def make_vae(sigma="decoder", noise=None, likelihood=None):
    keras.utils.set_random_seed(0)
    encoder = kv.VariationalEncoder(2, kv.networks.DenseEncoder((8,)))
    if noise is not None:
        encoder.sampler = FixedNoise(noise)
    likelihood = Gaussian(sigma) if likelihood is None else likelihood
    decoder = kv.networks.DenseDecoder(5 * likelihood.params_per_feature, (8,))
    vae = kv.VAE(encoder, decoder, likelihood)
    vae.compile(keras.optimizers.Adam(1e-2))
    return vae


SHIFTED = {"mean": X + 1e4, "small": 1e-5 * X, "large": X * 10.0 ** np.arange(3, 8)}


@pytest.mark.parametrize("x", SHIFTED.values(), ids=SHIFTED.keys())
def test_a_decoder_of_sigma_learns_data_of_any_scale(x):
    x = x.astype("float32")
    mean, std = x.astype("f8").mean(axis=0), x.astype("f8").std(axis=0)
    scaled = ((x - mean) / std).astype("float32")
    losses = []
    for data in (x, scaled):
        vae = make_vae(noise=0.3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            losses.append(vae.fit(data, epochs=3, batch_size=32, verbose=0).history["loss"])
        reconstruction = vae.reconstruct(data)
        if data is x:
            draws = to_numpy(vae.likelihood.sample(vae.decoder(vae.encode(x)), seed=0))
            centered = (reconstruction - mean) / std, (draws - mean) / std
    assert losses[0][-1] < losses[0][0]
    # The change of variables: p(x) = p((x - mean) / std) / Π std.
    np.testing.assert_allclose(losses[0], np.log(std).sum() + np.array(losses[1]), atol=0.02)
    np.testing.assert_allclose(centered[0], reconstruction, atol=0.05)
    assert 0.2 < np.std(centered[1]) < 3.0


def test_a_student_t_of_the_decoder_learns_data_of_any_scale():
    x = (1e4 + 3.0 * X).astype("float32")
    losses = []
    for data in (x, (x.astype("f8") - x.mean(axis=0)) / x.std(axis=0, dtype="f8")):
        vae = make_vae(noise=0.3, likelihood=StudentT("decoder"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            history = vae.fit(data.astype("float32"), epochs=2, batch_size=32, verbose=0).history
        losses.append(history["loss"])
    of_units = np.log(x.std(axis=0, dtype="f8")).sum()
    np.testing.assert_allclose(losses[0], of_units + np.array(losses[1]), atol=0.02)


# Other likelihoods can hardly learn such data.
UNSUITED = {"mean": X + 1e4, "large": 1e6 * X, "one column": with_column(1e9 * X)}


@pytest.mark.parametrize("sigma", ["decoder", 1.0, "learned", "per_feature", "optimal"])
@pytest.mark.parametrize("x", UNSUITED.values(), ids=UNSUITED.keys())
def test_training_on_data_of_any_scale_stays_finite(sigma, x):
    vae = make_vae(sigma)
    with pytest.warns(UserWarning, match="scale of the data"):
        losses = vae.fit(x, epochs=4, batch_size=32, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert all(np.isfinite(w).all() for w in vae.get_weights())
    assert np.isfinite(vae.reconstruct(x)).all()


def test_rows_of_weight_zero_are_not_looked_at():
    x = np.where(np.arange(128)[:, None] % 2 == 0, X, 1e7).astype("float32")
    vae = make_vae()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        vae.fit(x, sample_weight=np.arange(128) % 2 == 0, verbose=0)
    np.testing.assert_array_equal(to_numpy(vae.likelihood.units.scale), 1.0)


def test_the_units_are_those_of_the_first_fit_and_are_saved(tmp_path):
    vae = make_vae()
    with pytest.warns(UserWarning, match="scale of the data"):
        vae.fit(1e6 * X, verbose=0)
    units = to_numpy(vae.likelihood.units.scale).copy()
    np.testing.assert_allclose(units, 1e6, rtol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vae.fit(1e3 * X, verbose=0)
        vae.evaluate(X, verbose=0)
    np.testing.assert_array_equal(to_numpy(vae.likelihood.units.scale), units)
    vae.save(tmp_path / "vae.keras")
    loaded = kv.load_model(tmp_path / "vae.keras")
    np.testing.assert_array_equal(to_numpy(loaded.likelihood.units.scale), units)
    np.testing.assert_array_equal(loaded.reconstruct(X), vae.reconstruct(X))


def test_what_was_trained_without_units_is_not_moved():
    trained = make_vae()
    trained.train_on_batch(X)
    old = make_vae()
    old.build((None, 5))
    old.likelihood.units.load_own_variables({})  # a file of version 0.1 holds nothing of it
    for vae in (trained, old):
        with pytest.warns(UserWarning, match="scale of the data"):
            vae.fit(1e6 * X, verbose=0)
        np.testing.assert_array_equal(to_numpy(vae.likelihood.units.scale), 1.0)


def test_evaluation_says_nothing_of_the_scale():
    vae = make_vae(1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        vae.fit(X, verbose=0, validation_data=(1e6 * X,))
        vae.evaluate(1e6 * X, verbose=0)


def test_units_are_not_rounded_under_mixed_precision():
    x = (X + 1e4).astype("float32")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        vae = make_vae()
        with pytest.warns(UserWarning, match="scale of the data"):
            vae.fit(x, verbose=0)
        reconstruction = vae(x)
    finally:
        keras.config.set_dtype_policy("float32")
    # The next number of bfloat16 below 10,000 is 9,984.
    assert np.abs(to_numpy(reconstruction).mean() - x.mean()) < 3.0


def test_the_units_of_the_encoder_are_saved_and_are_those_of_the_target_only(tmp_path):
    x = (1e4 + 3.0 * X).astype("float32")
    with pytest.warns(UserWarning, match="scale of the data"):
        vae, other = make_vae(), make_vae()
        vae.fit(x, verbose=0)
        other.fit(X, x, verbose=0)
    vae.save(tmp_path / "vae.keras")
    z = vae.encode(x)
    np.testing.assert_allclose(kv.load_model(tmp_path / "vae.keras").encode(x), z, rtol=1e-5)
    # By hand: the encoder sees what it is to say something of.
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    np.testing.assert_allclose(z, to_numpy(vae.encoder(scaled)[0]), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(other.encode(X), to_numpy(other.encoder(X)[0]), rtol=1e-4, atol=1e-5)
