"""load_model: files of all times and backends, and those that must be refused."""

import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import make_vae, to_numpy

import keras_vae as kv

BACKEND = keras.backend.backend()
GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.keras"))


@pytest.mark.in_turn
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_file_computes_what_it_did(path):
    vae, expected = kv.load_model(path), np.load(path.with_suffix(".npz"))
    x = expected["x"]
    np.testing.assert_allclose(vae.encode(x), expected["z"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(vae.reconstruct(x), expected["reconstruction"], rtol=1e-4, atol=1e-5)
    assert int(vae.optimizer.iterations) == 6
    assert vae.row_order.epochs == 3
    losses = vae.fit(x, batch_size=8, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    if "next_loss" in expected and path.stem.split("-")[1] == BACKEND:  # others draw otherwise
        np.testing.assert_allclose(losses, expected["next_loss"], rtol=1e-4)


@pytest.fixture
def path(tmp_path):
    vae = make_vae()
    vae.build((None, 12))
    vae.save(tmp_path / "vae.keras")
    return tmp_path / "vae.keras"


def config_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


def rewrite(path, change):
    """Changes the config in a file, which keeps good checksums."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(contents["config.json"])
    change(config)
    contents["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def assert_refused(path, reason):
    with pytest.raises(ValueError, match=re.escape(f"Cannot load {path}: ") + ".*" + reason):
        kv.load_model(path)


def test_a_file_says_who_wrote_it(path):
    saved_by = config_of(path)["config"]["saved_by"]
    assert saved_by == {"keras_vae": kv.__version__, "backend": BACKEND}


@pytest.mark.parametrize("version", ["0.2.0", "9.0", "12.1.3.dev0"])
def test_a_file_of_a_newer_version_is_refused(path, version):
    rewrite(path, lambda config: config["config"]["saved_by"].update(keras_vae=version))
    assert_refused(path, f"saved by keras_vae {version}, and this is {kv.__version__}. Install")


@pytest.mark.parametrize("version", ["", "new", None])
def test_a_version_that_is_none_is_refused(path, version):
    rewrite(path, lambda config: config["config"]["saved_by"].update(keras_vae=version))
    assert_refused(path, "is no version")


def test_networks_of_any_kind_load(x, tmp_path):
    from keras import layers, ops

    given = keras.Input((12,))
    features = layers.Dense(16, activation="gelu")(given)
    features = layers.Add()([features[:, ::2], layers.Dense(8)(features)])
    features = ops.concatenate([features, 0.5 * given[..., :3], ops.tanh(features)], axis=-1)
    encoder = kv.VariationalEncoder(3, keras.Model(given, features))
    z = keras.Input((3,))
    decoder = keras.Model(z, layers.Reshape((12,))(layers.Dense(12)(ops.abs(z) + z)))
    vae = make_vae(encoder=encoder, decoder=decoder)
    vae.fit(x, verbose=0)
    vae.save(tmp_path / "vae.keras")
    loaded = kv.load_model(tmp_path / "vae.keras")
    np.testing.assert_allclose(loaded.reconstruct(x), vae.reconstruct(x), atol=1e-6)
    keras.saving.save_model(vae.encoder, tmp_path / "encoder.keras")
    z_mean = to_numpy(kv.load_model(tmp_path / "encoder.keras")(x)[0])
    np.testing.assert_allclose(z_mean, vae.encode(x), atol=1e-6)


HOSTILE = {
    "a class that starts a process": (
        {"module": "subprocess", "class_name": "Popen", "config": {"args": ["touch", "FILE"]}},
        "needs 'Popen', which Keras does not know",
    ),
    "a function of the interpreter": (
        {"module": "builtins", "class_name": "function", "config": "exec"},
        "needs 'exec', which Keras does not know",
    ),
    "a lambda": (
        {"class_name": "__lambda__", "config": {"value": "4wEAAAAA"}},
        "no code of a file is run",
    ),
    "a layer around a lambda": (
        {
            "module": "keras.layers",
            "class_name": "Lambda",
            "config": {"function": {"class_name": "__lambda__", "config": {"value": "4wEA"}}},
        },
        "no code of a file is run",
    ),
    "a module of the file's choice": (
        {
            "module": "keras_vae.saving.atomic_write",
            "class_name": "written_beside",
            "config": {"path": "FILE"},
        },
        "needs 'written_beside', which Keras does not know",
    ),
    "a download": (
        {
            "module": "keras.utils",
            "class_name": "get_file",
            "config": {"fname": "FILE", "origin": "file:///etc/hostname"},
        },
        "",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_code_of_a_file_is_run(path, kind):
    written = path.with_name("written")
    part, reason = HOSTILE[kind]
    part = json.loads(json.dumps(part).replace("FILE", str(written)))
    rewrite(path, lambda config: config["config"].update(regularizer=part))
    assert_refused(path, reason)
    assert not written.exists()


def test_what_is_no_model_file_is_refused(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*nowhere"):
        kv.load_model(tmp_path / "nowhere.keras")
    for content in (b"", b"not an archive", path.read_bytes()[:-100]):
        other = tmp_path / "other.keras"
        other.write_bytes(content)
        assert_refused(other, "it is no whole .keras file")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    assert_refused(other, "it lacks metadata.json, model.weights.h5")


def mutations(content, n):
    """Yields copies of `content` with flipped, zeroed, doubled, inserted or cut-off bytes."""
    rng = random.Random(0)
    for _ in range(n):
        mutated, start = bytearray(content), rng.randrange(len(content))
        end = start + rng.randrange(1, 2000)
        kind = rng.choice(("flip", "zero", "double", "insert", "cut", "directory"))
        if kind == "flip":
            mutated[start] ^= 1 << rng.randrange(8)
        elif kind == "zero":
            mutated[start:end] = bytes(len(mutated[start:end]))
        elif kind == "double":
            mutated[start:start] = mutated[start:end]
        elif kind == "insert":
            mutated[start:start] = rng.randbytes(9)
        elif kind == "cut":
            del mutated[start:]
        else:
            mutated[-rng.randrange(1, 250)] = rng.randrange(256)
        yield bytes(mutated)


def test_a_thousand_damaged_files_are_refused_or_harmless(path, x):
    content = path.read_bytes()
    z = kv.load_model(path).encode(x)
    refused = 0
    for mutated in mutations(content, 1000):
        path.write_bytes(mutated)
        try:
            vae = kv.load_model(path)
        except ValueError as error:
            assert str(error).startswith(f"Cannot load {path}: ")
            refused += 1
        else:  # what was hit does not matter, such as a date
            np.testing.assert_array_equal(vae.encode(x), z)
    assert refused > 900


class Unregistered(keras.layers.Layer):
    def call(self, inputs):
        return inputs


def unregistered(target, params):
    return -keras.ops.sum(keras.ops.abs(target - params), axis=-1)


def test_what_is_not_registered_is_said_with_the_line_to_add(tmp_path):
    network = keras.Sequential([Unregistered(), keras.layers.Dense(4)])
    for name, parts in {
        "class Unregistered": {"encoder": kv.VariationalEncoder(3, network)},
        "def unregistered": {"likelihood": unregistered},
    }.items():
        vae = make_vae(**parts)
        vae.build((None, 12))
        vae.save(tmp_path / "vae.keras")
        line = r"`@keras.saving.register_keras_serializable\(\)` on the line above "
        assert_refused(tmp_path / "vae.keras", line + f"`{name}`")
    with keras.saving.custom_object_scope({"unregistered": unregistered}):
        kv.load_model(tmp_path / "vae.keras")


def test_encoder_and_decoder_are_saved_on_their_own(x, tmp_path):
    vae = make_vae()
    vae.build((None, 12))
    keras.saving.save_model(vae.encoder, tmp_path / "encoder.keras")
    keras.saving.save_model(vae.decoder, tmp_path / "decoder.keras")
    encoder = kv.load_model(tmp_path / "encoder.keras")
    decoder = kv.load_model(tmp_path / "decoder.keras")
    z = to_numpy(encoder(x)[0])
    np.testing.assert_allclose(z, vae.encode(x), rtol=1e-5, atol=1e-6)
    means = keras.ops.sigmoid(decoder(z))
    np.testing.assert_allclose(to_numpy(means), vae.reconstruct(x), rtol=1e-5, atol=1e-6)


def save_for_ever(vae, path, pipe):
    while True:
        pipe.send("saving")
        vae.save(path)


@pytest.mark.skipif(BACKEND != "torch", reason="TensorFlow and JAX do not work in a forked process")
def test_a_process_killed_while_it_saves_leaves_a_whole_file(path):
    rng, vae = random.Random(0), kv.load_model(path)
    context, left_overs = multiprocessing.get_context("fork"), set()
    # How long a save takes on this machine.
    vae.save(path)
    start = time.perf_counter()
    vae.save(path)
    duration = time.perf_counter() - start
    for _ in range(50):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=save_for_ever, args=(vae, path, sender), daemon=True)
        process.start()
        assert receiver.recv() == "saving"
        process.join(1.5 * duration * rng.random())
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        left_overs |= set(path.parent.iterdir()) - {path}
        kv.load_model(path)
    assert len(left_overs) > 5, "The kills did not hit what they were to hit."
    for left in left_overs:
        os.utime(left, (0, 0))
    vae.save(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


OWN_PARTS = """
import keras
from keras import ops
import keras_vae as kv

@keras.saving.register_keras_serializable(package="mine")
class Network(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(units, activation="relu")

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, inputs):
        return self.dense(inputs)

    def get_config(self):
        return {**super().get_config(), "units": self.dense.units}

@keras.saving.register_keras_serializable(package="mine")
def log_likelihood(target, params):
    return -ops.sum(ops.square(target - params), axis=-1)

@keras.saving.register_keras_serializable(package="mine")
def regularizer(outputs):
    return ops.mean(ops.abs(outputs["z"]))
"""

LOAD = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import own_parts
import keras_vae as kv

vae, expected = kv.load_model(sys.argv[1] + "/vae.keras"), np.load(sys.argv[1] + "/expected.npz")
np.testing.assert_allclose(vae.reconstruct(expected["x"]), expected["y"], rtol=1e-5, atol=1e-6)
assert isinstance(vae.encoder.network, own_parts.Network)
assert vae.likelihood.log_likelihood is own_parts.log_likelihood
assert vae.regularizer is own_parts.regularizer
"""


@pytest.mark.skipif(BACKEND != "torch", reason="does not depend on the backend; torch starts fast")
def test_registered_parts_of_the_user_load_in_a_fresh_process(x, tmp_path, monkeypatch):
    (tmp_path / "own_parts.py").write_text(OWN_PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    import own_parts

    vae = make_vae(
        encoder=kv.VariationalEncoder(3, own_parts.Network(6)),
        likelihood=own_parts.log_likelihood,
        regularizer=own_parts.regularizer,
    )
    vae.fit(x, verbose=0)
    vae.save(tmp_path / "vae.keras")
    np.savez(tmp_path / "expected.npz", x=x, y=vae.reconstruct(x))
    command = [sys.executable, "-c", LOAD, tmp_path]
    subprocess.run(command, check=True)
