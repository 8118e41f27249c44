"""Networks that see a condition at each layer, against NumPy and in a VAE."""

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, assert_close, set_same_weights, to_numpy

import keras_vae as kv
from keras_vae import networks
from keras_vae.networks import FiLM

RNG = np.random.default_rng(0)
C = np.arange(256) % 3
ONE_HOT = np.eye(3, dtype="float32")


def relu(values):
    return np.maximum(values, 0.0)


@pytest.mark.parametrize("shape", [(4,), (5, 4), (3, 5, 4), (2, 3, 5, 4)])
def test_film_is_scale_and_shift_by_channel(shape):
    h = RNG.normal(size=(6, *shape)).astype("float32")
    c = RNG.normal(size=(6, 3)).astype("float32")
    film = FiLM()
    assert_close(to_numpy(film(h, c)), h, rtol=1e-7)  # it begins as the identity
    set_same_weights(film)
    kernel, bias = film.get_weights()
    gamma, beta = np.split(c @ kernel + bias, 2, axis=-1)
    inside = (slice(None), *[None] * (len(shape) - 1))
    assert_close(to_numpy(film(h, c)), h * (1.0 + gamma[inside]) + beta[inside], rtol=1e-5)
    assert film.compute_output_shape(h.shape, c.shape) == h.shape


def numpy_decoder(weights, z, c, by):
    *hidden, kernel, bias = weights
    h = z
    if by == "join":
        for k, b in zip(hidden[::2], hidden[1::2], strict=True):
            h = relu(np.concatenate([h, c], axis=-1) @ k + b)
        return np.concatenate([h, c], axis=-1) @ kernel + bias
    for k, b, film_k, film_b in zip(*(hidden[i::4] for i in range(4)), strict=True):
        gamma, beta = np.split(c @ film_k + film_b, 2, axis=-1)
        h = relu((1.0 + gamma) * (h @ k + b) + beta)
    return h @ kernel + bias


@pytest.mark.parametrize("by", ["join", "film"])
def test_a_decoder_is_its_layers_one_after_the_other(by):
    decoder = networks.ConditionalDenseDecoder((2, 3), (5, 4), by=by)
    z, c = RNG.normal(size=(7, 2)).astype("float32"), ONE_HOT[C[:7]]
    decoder(z, condition=c)
    set_same_weights(decoder)
    expected = numpy_decoder(decoder.get_weights(), z, c, by).reshape(7, 2, 3)
    assert_close(to_numpy(decoder(z, condition=c)), expected, rtol=1e-5)
    assert decoder.compute_output_shape((7, 2), (7, 3)) == (7, 2, 3)


def test_film_begins_as_the_network_without_a_condition():
    c = ONE_HOT[C[:4]]
    x, z = RNG.random((4, 8, 8, 1)).astype("float32"), RNG.random((4, 2)).astype("float32")
    for name, arguments, inputs in (
        ("DenseEncoder", ((5, 4),), x),
        ("DenseDecoder", ((8, 8, 1), (5,)), z),
        ("ConvEncoder", ((4, 6),), x),
        ("ConvDecoder", ((7, 8, 1), (6, 4)), z),
    ):
        plain = getattr(networks, name)(*arguments)
        conditional = getattr(networks, f"Conditional{name}")(*arguments, by="film")
        expected, _ = plain(inputs), conditional(inputs, condition=c)
        others = [w for w in conditional.weights if "fi_lm" not in w.path]
        for new, old in zip(others, plain.weights, strict=True):
            new.assign(old)
        assert_close(to_numpy(conditional(inputs, condition=c)), to_numpy(expected), rtol=1e-6)
        assert len(others) < len(conditional.weights)


def dense(by):
    network = networks.ConditionalDenseEncoder((8, 8), "elu", by)
    return network, networks.ConditionalDenseDecoder((2, 6), (8, 8, 8, 8), "elu", by)


def conv(by):
    network = networks.ConditionalConvEncoder((8, 8), 3, "elu", by)
    return network, networks.ConditionalConvDecoder((4, 3, 1), (8, 8), 3, "elu", by)


@pytest.mark.parametrize("by", ["join", "film"])
@pytest.mark.parametrize("make", [dense, conv])
def test_trained_in_a_vae_saved_and_loaded(make, by, x, tmp_path):
    network, decoder = make(by)
    x = x.reshape((256, 4, 3, 1) if make is conv else (256, 2, 6))
    x = np.where((C == 0).reshape(-1, *[1] * (x.ndim - 1)), 1.0 - x, x)
    encoder = kv.VariationalEncoder(3, network)
    vae = kv.VAE(encoder, decoder, beta=0.1, condition=kv.conditions.OneHot(3))
    vae.compile(keras.optimizers.Adam(1e-2))
    losses = vae.fit(x, condition=C, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert decoder.get_config()["by"] == by
    z = RNG.normal(size=(5, 3)).astype("float32")
    # Deep as it is, the decoder looks at c, and so does the encoder.
    assert np.abs(vae.decode(z, condition=0) - vae.decode(z, condition=1)).max() > 0.01
    assert np.abs(vae.encode(x[:5], condition=0) - vae.encode(x[:5], condition=1)).max() > 0.01
    vae.save(tmp_path / "vae.keras")
    copy = kv.load_model(tmp_path / "vae.keras")
    for model in (vae, copy):
        model.fit(x, condition=C, epochs=1, verbose=0)
    for a, b in zip(vae.weights, copy.weights, strict=True):
        np.testing.assert_allclose(to_numpy(a), to_numpy(b), rtol=1e-4, atol=1e-5, err_msg=a.path)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_they_compute_in_the_policy(policy, x):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        network, decoder = dense("film")
    finally:
        keras.config.set_dtype_policy(before)
    vae = kv.VAE(kv.VariationalEncoder(3, network), decoder, condition=kv.conditions.OneHot(3))
    vae.compile("adam")
    assert np.isfinite(vae.fit(x.reshape(-1, 2, 6), condition=C, verbose=0).history["loss"]).all()
    out = decoder(np.zeros((2, 3), "float32"), condition=ONE_HOT[:2])
    assert keras.backend.standardize_dtype(out.dtype) == policy.removeprefix("mixed_")
    assert {w.dtype for w in decoder.weights} == {"float32"}


def test_wrong_use():
    with pytest.raises(ValueError, match='by must be "join" or "film"; received \'add\''):
        networks.ConditionalDenseDecoder(N_FEATURES, by="add")
    vae = kv.VAE(kv.VariationalEncoder(3), networks.ConditionalDenseDecoder(N_FEATURES))
    with pytest.raises(ValueError, match=r"this VAE lacks.* or take a DenseDecoder\."):
        vae.build((None, N_FEATURES))
    encoder = kv.VariationalEncoder(3, networks.ConditionalConvEncoder((4,)))
    vae = kv.VAE(encoder, networks.DenseDecoder((3, 8, 8)), condition=kv.conditions.OneHot(3))
    with pytest.raises(ValueError, match="channels first"):
        vae.build({"x": (None, 3, 8, 8), "condition": (None,)})
