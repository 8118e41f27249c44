"""fit, evaluate, predict and the uses of a trained model."""

import keras
import numpy as np
import pytest
from helpers import LATENT_DIM, N_FEATURES, assert_same_logs, make_vae, to_numpy
from keras import layers

import keras_vae as kv
from keras_vae.backend.keras_internals import flatten_layers

BACKEND = keras.backend.backend()


def weights_after(fit):
    """Returns the weights that `fit(vae)` gives to the same initial model."""
    keras.utils.set_random_seed(3)
    vae = make_vae()
    fit(vae)
    return np.concatenate([w.ravel() for w in vae.get_weights()])


def test_training_lowers_the_loss_and_draws_samples_like_the_data(x):
    vae = make_vae()
    history = vae.fit(x, epochs=60, batch_size=32, verbose=0).history
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    prototypes = np.unique(x, axis=0, return_counts=True)
    common = prototypes[0][np.argsort(-prototypes[1])[:3]]
    error = np.abs(vae.sample(100, seed=0)[:, None] - common[None]).mean(-1).min(-1)
    # A collapsed model would draw the mean of the data, whatever z.
    collapsed = np.abs(x.mean(axis=0) - common).mean(-1).min()
    assert np.median(error) < 0.8 * collapsed


def test_the_same_seed_repeats_a_run(x):
    first, second = (weights_after(lambda vae: vae.fit(x, epochs=2, verbose=0)) for _ in "12")
    np.testing.assert_array_equal(first, second)


class Batches(keras.utils.PyDataset):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return 8

    def __getitem__(self, i):
        return self.x[32 * i : 32 * (i + 1)]


def tf_dataset(x):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(x).batch(32)


def torch_loader(x):
    import torch

    return torch.utils.data.DataLoader(torch.from_numpy(x), batch_size=32)


def generator(x):
    yield from Batches(x)


@pytest.mark.parametrize("stream", [Batches, tf_dataset, torch_loader, generator])
def test_streams_of_x_train_as_the_array_does(x, stream):
    expected = weights_after(lambda vae: vae.fit(x, batch_size=32, shuffle=False, verbose=0))
    found = weights_after(lambda vae: vae.fit(stream(x), shuffle=False, verbose=0))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float64", "float16"])
def test_any_numeric_dtype(x, dtype):
    expected = weights_after(lambda vae: vae.fit(x, verbose=0))
    found = weights_after(lambda vae: vae.fit(x.astype(dtype), verbose=0))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_data_frame_like_object(x):
    class Frame:
        shape = x.shape

        def to_numpy(self):
            return x

    make_vae().fit(Frame(), verbose=0)


def test_target_unlike_the_input(x):
    """Denoising: the loss is that of y given x, whatever the shapes."""
    y = np.repeat(x[:, :4], 2, axis=1)
    vae = make_vae(decoder=kv.networks.DenseDecoder(8, (8,)))
    history = vae.fit(x, y, validation_data=(x, y), epochs=3, verbose=0).history
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert vae.reconstruct(x).shape == (256, 8)


def test_sample_weights_count_in_every_form(x):
    w = np.linspace(0.0, 2.0, len(x)).astype("float32")

    def batches():
        for i in range(0, 256, 64):
            yield x[i : i + 64], x[i : i + 64], w[i : i + 64]

    kwargs = {"batch_size": 64, "shuffle": False, "verbose": 0}
    forms = [
        lambda vae: vae.fit(x, sample_weight=w, **kwargs),
        lambda vae: vae.fit(x, x, sample_weight=w, **kwargs),
        lambda vae: vae.fit(x, sample_weight=w[:, None], **kwargs),
        lambda vae: vae.fit(batches(), verbose=0),
    ]
    first, *others = [weights_after(fit) for fit in forms]
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-5, atol=1e-6)
    without = weights_after(lambda vae: vae.fit(x, **kwargs))
    assert not np.allclose(without, first, rtol=1e-3)


def test_weights_of_zero_count_for_nothing(x):
    w = np.r_[np.ones(128), np.zeros(128)].astype("float32")
    other = np.r_[x[:128], 1.0 - x[128:]]
    kwargs = {"sample_weight": w, "batch_size": 256, "shuffle": False, "verbose": 0}
    np.testing.assert_array_equal(
        weights_after(lambda vae: vae.fit(x, **kwargs)),
        weights_after(lambda vae: vae.fit(other, **kwargs)),
    )
    vae = make_vae(noise=0.2)
    half = vae.evaluate(x[:128], return_dict=True, verbose=0, batch_size=50)
    whole = vae.evaluate(x, sample_weight=w, return_dict=True, verbose=0, batch_size=50)
    assert_same_logs(whole, half, rtol=1e-5)
    before = vae.get_weights()
    vae.fit(x, sample_weight=np.zeros(256), verbose=0)
    for old, new in zip(before, vae.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_validation_weights_count(x):
    w = np.r_[np.ones(128), np.zeros(128)].astype("float32")
    vae = make_vae(keras.optimizers.SGD(0.0), noise=0.2)
    weighted = vae.fit(x, validation_data=(x, None, w), verbose=0).history["val_loss"]
    half = vae.fit(x, validation_data=x[:128], verbose=0).history["val_loss"]
    np.testing.assert_allclose(weighted, half, rtol=1e-5)


def test_predict_has_no_randomness_and_evaluate_has(x):
    vae = make_vae()
    vae.build((None, x.shape[1]))
    state = to_numpy(vae.encoder.sampler.seed_generator.state)
    prediction = vae.predict(x, verbose=0)
    np.testing.assert_array_equal(prediction, vae.predict(x, verbose=0))
    np.testing.assert_array_equal(to_numpy(vae.encoder.sampler.seed_generator.state), state)
    z_mean, _ = vae.posterior_params(x).values()
    expected = 1.0 / (1.0 + np.exp(-to_numpy(vae.decoder(z_mean))))
    np.testing.assert_allclose(prediction, expected, rtol=1e-4)
    np.testing.assert_allclose(to_numpy(vae(x)), expected, rtol=1e-4)
    assert vae.evaluate(x, verbose=0)[0] != vae.evaluate(x, verbose=0)[0]


def test_latents_by_name(x):
    vae = make_vae()
    outputs = vae(x, latent=True)
    assert set(outputs) == {"reconstruction", "z_mean", "z_log_var", "z"}
    np.testing.assert_allclose(to_numpy(outputs["reconstruction"]), to_numpy(vae(x)), rtol=1e-5)
    z_mean, z_log_var, z = (to_numpy(outputs[k]) for k in ("z_mean", "z_log_var", "z"))
    np.testing.assert_allclose(z_mean, vae.encode(x), rtol=1e-4, atol=1e-6)
    epsilon = (z - z_mean) / np.exp(0.5 * z_log_var)
    assert abs(epsilon.std() - 1.0) < 0.1


def test_uses_of_the_model_run_in_batches_and_see_new_weights(x):
    vae = make_vae()
    vae.build((None, x.shape[1]))
    for _ in range(2):
        z = vae.encode(x, batch_size=100)
        assert isinstance(z, np.ndarray)
        assert z.dtype == "float32"
        np.testing.assert_allclose(
            z, to_numpy(vae.posterior_params(x)["z_mean"]), rtol=1e-4, atol=1e-5
        )
        decoded = to_numpy(vae.mean_given(z))
        np.testing.assert_allclose(vae.decode(z, batch_size=100), decoded, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(vae.reconstruct(x), decoded, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(vae.reconstruct(x[:1]), decoded[:1], rtol=1e-4, atol=1e-6)
        vae.fit(x, verbose=0)


def test_encode_reads_a_memory_map_by_batches(x, tmp_path):
    np.save(tmp_path / "x.npy", x)
    vae = make_vae()
    vae.build((None, x.shape[1]))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(vae.encode(mapped), vae.encode(x))


def test_sample_and_interpolate(x):
    vae = make_vae()
    vae.build((None, x.shape[1]))
    samples = vae.sample(300, seed=4)
    assert samples.shape == (300, 12)
    np.testing.assert_array_equal(samples, vae.sample(300, seed=4))
    assert not np.allclose(vae.sample(5), vae.sample(5))
    lines = vae.interpolate(x[:4], x[4:8], n_steps=5)
    assert lines.shape == (4, 5, 12)
    z = vae.encode(x[:8])
    np.testing.assert_allclose(lines[:, 0], vae.decode(z[:4]), rtol=1e-4)
    np.testing.assert_allclose(lines[:, 2], vae.decode((z[:4] + z[4:]) / 2), rtol=1e-4)
    np.testing.assert_allclose(lines[:, -1], vae.decode(z[4:]), rtol=1e-4)


def test_uses_of_the_model_inside_a_callback(x):
    seen = []
    vae = make_vae()
    callback = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(vae.encode(x[:2])),
        on_epoch_end=lambda epoch, logs: seen.append(vae.sample(2)),
    )
    vae.fit(x, callbacks=[callback], verbose=0)
    assert len(seen) == 9
    assert not np.allclose(seen[0], seen[7])


def test_compiled_metrics_compare_the_reconstruction_with_the_target(x):
    vae = make_vae(noise=0.0, compile_kwargs={"metrics": ["mse"], "weighted_metrics": ["mae"]})
    found = vae.evaluate(x, return_dict=True, verbose=0)
    error = vae.reconstruct(x) - x
    assert found["mse"] == pytest.approx(np.mean(error**2), rel=1e-4)
    assert found["mae"] == pytest.approx(np.mean(np.abs(error)), rel=1e-4)
    history = vae.fit(x, validation_split=0.25, verbose=0).history
    assert {"mse", "val_mse", "val_loss", "val_reconstruction_loss", "val_kl_loss"} <= set(history)


@pytest.mark.parametrize("objective", [kv.objectives.IWAE(4), kv.objectives.MIWAE(3, 2)])
@pytest.mark.parametrize("batch_size", [4, 6, 32])
def test_compiled_metrics_see_one_reconstruction_per_sample(x, objective, batch_size):
    metrics = {"metrics": ["mse"], "weighted_metrics": ["mae"]}
    vae = make_vae(objective=objective, compile_kwargs=metrics)
    vae.build((None, 12))
    kernel, bias = vae.encoder.head.z_log_var_head.get_weights()
    vae.encoder.head.z_log_var_head.set_weights([0.0 * kernel, bias - 20.0])  # all draws alike
    weights = np.linspace(0.0, 1.0, 48)
    found = vae.evaluate(
        x[:48], sample_weight=weights, batch_size=batch_size, return_dict=True, verbose=0
    )
    error = vae.reconstruct(x[:48]) - x[:48]
    assert found["mse"] == pytest.approx(np.mean(error**2), rel=1e-3)
    absolute = np.average(np.abs(error).mean(axis=1), weights=weights)
    assert found["mae"] == pytest.approx(absolute, rel=1e-3)


def test_trackers_and_batch_methods(x):
    vae = make_vae()
    found = vae.train_on_batch(x, return_dict=True)
    names = ["loss", "reconstruction_loss", "kl_loss", "negative_elbo"]
    assert set(found) == set(names)
    assert [m.name for m in vae.metrics] == names
    assert float(vae.total_loss_tracker.result()) == pytest.approx(float(found["loss"]))
    for tracker in vae.term_trackers:
        assert float(tracker.result()) == pytest.approx(float(found[tracker.name]))
    for name in ("reconstruction", "kl"):
        tracker = getattr(vae, f"{name}_loss_tracker")
        assert float(tracker.result()) == pytest.approx(float(found[f"{name}_loss"]))
    assert set(vae.test_on_batch(x, return_dict=True)) == set(found)
    assert vae.predict_on_batch(x).shape == x.shape
    assert len(vae.evaluate(x, verbose=0)) == 4


def test_trackers_hold_the_means_since_they_were_reset(x):
    vae = make_vae()
    vae.build((None, 12))
    weights = np.random.default_rng(0).uniform(0.0, 2.0, len(x)).astype("float32")
    for batches in ([slice(0, 40), slice(40, 50)], [slice(50, 80)]):
        vae.reset_metrics()
        losses = [to_numpy(vae.compute_loss(x[b], sample_weight=weights[b])) for b in batches]
        expected = np.average(losses, weights=[weights[b].sum() for b in batches])
        found = {name: float(value) for name, value in vae.get_metrics_result().items()}
        np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)
        np.testing.assert_allclose(
            found["reconstruction_loss"] + found["kl_loss"], expected, rtol=1e-5
        )
        assert {m.name: float(m.result()) for m in vae.metrics} == found


def test_summary_before_any_fit(capsys):
    vae = make_vae()
    vae.summary()
    vae.build((None, 12))
    vae.summary()
    assert f"{vae.count_params():,}" in capsys.readouterr().out


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(x, policy):
    keras.config.set_dtype_policy(policy)
    try:
        vae = make_vae()
        history = vae.fit(x, epochs=4, verbose=0).history["loss"]
        assert history[-1] < history[0]
        assert vae.reconstruct(x).dtype == vae.encode(x).dtype == np.float32
        assert keras.backend.standardize_dtype(vae.encoder.network.compute_dtype) == policy[6:]
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has no steps_per_execution on torch")
def test_steps_per_execution(x):
    kwargs = {"batch_size": 32, "shuffle": False, "verbose": 0}
    one = weights_after(lambda vae: vae.fit(x, **kwargs))

    def four_at_once(vae):
        vae.compile(keras.optimizers.Adam(1e-2), steps_per_execution=4)
        vae.fit(x, **kwargs)

    np.testing.assert_allclose(weights_after(four_at_once), one, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(BACKEND == "jax", reason="without XLA JAX takes a minute for 2 steps")
def test_run_eagerly_gives_the_same(x):
    def eagerly(vae):
        vae.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
        vae.fit(x, batch_size=128, shuffle=False, verbose=0)

    compiled = weights_after(lambda vae: vae.fit(x, batch_size=128, shuffle=False, verbose=0))
    np.testing.assert_allclose(weights_after(eagerly), compiled, rtol=1e-4, atol=1e-5)


def test_early_stopping_and_other_callbacks(x):
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=0, min_delta=1e9)
    history = make_vae().fit(x, validation_data=x, epochs=9, callbacks=[stop], verbose=0)
    assert len(history.epoch) == 2


def test_functional_encoder_with_three_outputs(x):
    inputs = keras.Input((12,))
    hidden = layers.Dense(8, "relu")(inputs)
    mean, log_var = layers.Dense(LATENT_DIM)(hidden), layers.Dense(LATENT_DIM)(hidden)
    encoder = keras.Model(inputs, [mean, log_var, kv.SampleLayer()((mean, log_var))])
    vae = kv.VAE(encoder, keras.Sequential([layers.Dense(8, "relu"), layers.Dense(12)]))
    vae.compile("adam")
    history = vae.fit(x, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    np.testing.assert_allclose(vae.encode(x), to_numpy(encoder(x)[0]), rtol=1e-4, atol=1e-5)


def test_convolutional_vae_on_images():
    images = (np.random.default_rng(0).random((32, 9, 9, 1)) < 0.3).astype("float32")
    vae = kv.VAE(
        kv.VariationalEncoder(2, kv.networks.ConvEncoder((4, 8))),
        kv.networks.ConvDecoder((9, 9, 1), filters=(8, 4)),
    )
    vae.compile("adam")
    history = vae.fit(images, epochs=4, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert vae.sample(3).shape == (3, 9, 9, 1)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute")
def test_two_replicas_train_as_one_device(x):
    import subprocess
    import sys
    from pathlib import Path

    script = Path(__file__).with_name("two_replicas.py")
    subprocess.run([sys.executable, script], check=True, timeout=300)


@pytest.mark.parametrize("objective", [None, "factor_vae"])
def test_build_builds_every_layer(objective):
    """Or Keras would build the model once more, and not by the device loop."""
    vae = make_vae(objective=objective)
    vae.build((None, N_FEATURES))
    assert all(layer.built for layer in flatten_layers(vae))
