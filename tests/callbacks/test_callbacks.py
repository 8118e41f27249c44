"""The callbacks, read back by TensorBoard's own reader."""

import io

import keras
import numpy as np
import pytest
from helpers import assert_close, make_vae
from PIL import Image
from scipy import sparse

import keras_vae as kv

BACKEND = keras.backend.backend()


def read(folder):
    """Returns the scalars, histograms and pictures of a run, by tag."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0, "images": 0})
    events.Reload()
    images = {tag: events.Images(tag) for tag in events.Tags()["images"]}
    return images | {tag: events.Tensors(tag) for tag in events.Tags()["tensors"]}


def value(event):
    from tensorboard.util import tensor_util

    return tensor_util.make_ndarray(event.tensor_proto)


@pytest.fixture(scope="module")
def images():
    return (np.random.default_rng(0).random((64, 8, 8, 1)) < 0.3).astype("float32")


def image_vae(**parts):
    encoder = kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,)))
    vae = kv.VAE(encoder, kv.networks.DenseDecoder((8, 8, 1), (8,)), **parts)
    vae.compile("adam")
    return vae


def test_tensorboard_gets_pictures_numbers_and_an_embedding(images, tmp_path):
    vae, labels = image_vae(), np.arange(64) % 5
    board = kv.callbacks.TensorBoardVAE(tmp_path, images, labels, every=2)
    vae.fit(images, epochs=5, verbose=0, callbacks=[board])
    found = read(tmp_path / "vae")
    kl = [f"kl_per_dimension/z_{i:03}" for i in range(3)]
    pictures = [f"pictures/{name}" for name in ("reconstructions", "samples", "traversal")]
    latent = ["latent/active_units", "latent/kl_per_dimension", "latent/z_mean"]
    assert sorted(found) == sorted([*kl, *pictures, *latent])
    for events in found.values():
        assert [event.step for event in events] == [1, 3, 4]
    last = [float(value(found[tag][-1])) for tag in kl]
    # What is left of sums of numbers around 1.
    assert_close(last, vae.kl_per_dimension(images), rtol=1e-5, size=1.0)
    assert int(value(found["latent/active_units"][-1])) == vae.active_units(images)
    for tag in pictures:
        event = found[tag][-1]
        picture = Image.open(io.BytesIO(event.encoded_image_string))
        assert picture.size == (event.width, event.height)
        assert np.asarray(picture.convert("L")).std() > 10
    folder = tmp_path / "vae"
    config = (folder / "projector_config.pbtxt").read_text()
    assert all(name in config for name in ("z_mean.tsv", "labels.tsv", "sprites.png"))
    assert_close(np.loadtxt(folder / "z_mean.tsv"), vae.encode(images), rtol=1e-4)
    np.testing.assert_array_equal(np.loadtxt(folder / "labels.tsv"), labels)
    sprites = np.asarray(Image.open(folder / "sprites.png")) / 255
    np.testing.assert_allclose(sprites[8:16, :8], images[8, :, :, 0])


@pytest.mark.parametrize("kind", ["classes", "numbers", "dict", "stream"])
def test_tensorboard_of_a_model_with_a_condition(kind, images, tmp_path):
    c = np.arange(64) % 3
    condition = kv.conditions.OneHot(3)
    if kind == "numbers":
        c, condition = c + 0.5, kv.conditions.Continuous(1)
    vae = image_vae(condition=condition)
    pairs = {"x": images, "condition": c}
    if kind == "stream":
        batches = iter(
            [{k: v[:40] for k, v in pairs.items()}, {k: v[40:] for k, v in pairs.items()}]
        )
        board = kv.callbacks.TensorBoardVAE(tmp_path, batches, labels=c)
    elif kind == "dict":
        board = kv.callbacks.TensorBoardVAE(tmp_path, pairs, labels=c)
    else:
        board = kv.callbacks.TensorBoardVAE(tmp_path, images, labels=c, condition=c)
    watch = kv.callbacks.TrainingWatch(pairs)
    history = vae.fit(images, condition=c, epochs=1, verbose=0, callbacks=[board, watch]).history
    found = read(tmp_path / "vae")
    kl = [float(value(found[f"kl_per_dimension/z_{i:03}"][-1])) for i in range(3)]
    assert_close(kl, vae.kl_per_dimension(images, condition=c), rtol=1e-5, size=1.0)
    assert {f"pictures/{name}" for name in ("reconstructions", "samples", "traversal")} <= set(
        found
    )
    active = vae.active_units(images, condition=c)
    assert int(value(found["latent/active_units"][-1])) == active == history["active_units"][-1]
    z = vae.encode(images, condition=c)
    assert_close(np.loadtxt(tmp_path / "vae" / "z_mean.tsv"), z, rtol=1e-4)


def test_data_that_are_no_images_and_a_kl_without_closed_form(x, tmp_path):
    vae = make_vae(prior="gaussian_mixture")
    board = kv.callbacks.TensorBoardVAE(tmp_path, x)
    vae.fit(x, epochs=1, verbose=0, callbacks=[board])
    assert sorted(read(tmp_path / "vae")) == ["latent/active_units", "latent/z_mean"]
    assert "sprite" not in (tmp_path / "vae" / "projector_config.pbtxt").read_text()


def test_the_callbacks_disturb_no_run(x, tmp_path):
    histories = []
    for callbacks in ([], [kv.callbacks.TensorBoardVAE(tmp_path, x, every=1)],
                      [kv.callbacks.TrainingWatch(x)]):  # fmt: skip
        keras.utils.set_random_seed(3)
        vae = make_vae()
        histories.append(vae.fit(x, epochs=3, verbose=0, callbacks=callbacks).history["loss"])
        assert vae.compiled_loops.made
    np.testing.assert_allclose(histories[1:], [histories[0]] * 2, rtol=1e-6)


def test_callbacks_take_x_in_any_form(x, tmp_path):
    labels = np.arange(256)
    for form in (sparse.csr_matrix, lambda x: iter([x[:5], x[5:]])):
        board = kv.callbacks.TensorBoardVAE(tmp_path, form(x), labels)
        watch = kv.callbacks.TrainingWatch(form(x))
        for callback in (board, watch):
            np.testing.assert_array_equal(callback.x, x)
        with pytest.raises(ValueError, match="256 rows, but there are 3 labels"):
            kv.callbacks.TensorBoardVAE(tmp_path, form(x), [1, 2, 3])


def test_a_collapse_is_said_once_and_is_in_the_logs(x, capsys):
    watch = kv.callbacks.TrainingWatch(x, patience=2)
    vae = make_vae(beta=1000.0, optimizer=keras.optimizers.Adam(3e-2))
    history = vae.fit(x, epochs=20, verbose=0, callbacks=[watch]).history
    assert history["active_units"][-1] == vae.active_units(x) == 0
    assert len(watch.messages) == 1
    assert "0 of 3 latent dimensions are active" in watch.messages[0]
    assert watch.messages[0] in capsys.readouterr().out
    healthy = kv.callbacks.TrainingWatch(x)
    make_vae(beta=0.1).fit(x, epochs=5, verbose=0, callbacks=[healthy])
    assert not healthy.messages


@pytest.mark.parametrize("device_loop", [False, "auto"])
def test_a_term_that_is_not_finite_ends_the_run_with_good_weights(x, device_loop):
    @keras.saving.register_keras_serializable(package="tests")
    def explodes(outputs):
        # Infinite for the batch that begins with a row of ones.
        is_bad = keras.ops.all(outputs["reconstruction"][0] > -1) & (vae.bad_now > 0)
        return keras.ops.where(is_bad, float("inf"), 0.0)

    vae = make_vae(regularizer=explodes, compile_kwargs={"device_loop": device_loop})
    vae.bad_now = vae.add_weight(name="bad_now", trainable=False, initializer="zeros")

    weights = []

    class Break(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                weights[:] = self.model.get_weights()
                self.model.bad_now.assign(1.0)

    watch = kv.callbacks.TrainingWatch()
    history = vae.fit(x, epochs=9, batch_size=32, verbose=0, callbacks=[watch, Break()])
    assert len(history.epoch) == 3
    (message,) = watch.messages
    batches = "batch 0" if device_loop is False else "batches 0 to 7"
    assert message.startswith(f"Epoch 3, {batches}: regularization_loss is not finite.")
    for name, a, b in zip(vae.weights, vae.get_weights(), weights, strict=True):
        if "bad_now" not in name.path:
            np.testing.assert_array_equal(a, b, err_msg=name.path)


def test_each_label_is_one_line_of_one_column(x, tmp_path):
    labels = [
        "plain",
        "two\nlines",
        "a\ttab",
        "",
        " ",
        "\r\n",
        "naïve 数",
        "\u2028",
        b"bytes",
        3,
        None,
    ]
    vae = make_vae()
    vae.build((None, 12))
    board = kv.callbacks.TensorBoardVAE(tmp_path, x[: len(labels)], labels)
    board.set_model(vae)
    board.write(0)
    text = (tmp_path / "vae" / "labels.tsv").read_bytes().decode("utf-8")
    # As the projector reads it: a first row with tabs is a header, rows of nothing are left out.
    lines = [line for line in text.split("\n") if line.strip()]
    assert len(lines) == len(text.splitlines()) == len(labels)
    assert "\t" not in text
    assert lines[:3] == ["plain", r"two\nlines", r"a\ttab"]
    assert lines[6] == "naïve 数" and lines[8:] == ["bytes", "3", "None"]
    board.on_train_end()


def test_wrong_use(x, tmp_path):
    with pytest.raises(ValueError, match=r"one label for each row of x; received .* \(256, 2"):
        kv.callbacks.TensorBoardVAE(tmp_path, x, labels=np.zeros((256, 2)))
    with pytest.raises(ValueError, match="256 rows, but there are 3 labels"):
        kv.callbacks.TensorBoardVAE(tmp_path, x, labels=[1, 2, 3])
    with pytest.raises(ValueError, match="every must be a positive number of epochs"):
        kv.callbacks.TensorBoardVAE(tmp_path, x, every=0)
    with pytest.raises(ValueError, match="x is a stream, which brings its condition"):
        kv.callbacks.TensorBoardVAE(tmp_path, iter([x]), condition=np.arange(256))
