"""A model that is loaded in another process goes on as if it had not been saved.

Each two of: a default or an own network, an optimizer, a kind of data and what is frozen,
meet in one model at least. JAX and TensorFlow, which compile, take some of these.
With EVERY_COMBINATION in the environment, all 120 are tried.
"""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import keras_vae as kv

HERE = Path(__file__).parent
SHAPES = {"vectors": (6,), "sequences": (5, 3), "images": (8, 8, 1)}
OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(1e-2),
    "rmsprop": lambda: keras.optimizers.RMSprop(1e-2),
    "adamw": lambda: keras.optimizers.AdamW(1e-2),
    "momentum": lambda: keras.optimizers.SGD(1e-2, momentum=0.9),
}
FROZEN = {
    "encoder": lambda vae: vae.encoder,
    "network": lambda vae: vae.encoder.network,
    "head": lambda vae: vae.encoder.head,
    "decoder": lambda vae: vae.decoder,
    "nothing": None,
}
ALL = list(itertools.product(["default", "own"], OPTIMIZERS, SHAPES, FROZEN))


def pairs(combinations):
    """Chooses combinations until each two choices have met."""
    missing = {p for c in combinations for p in itertools.combinations(enumerate(c), 2)}
    while missing:
        found = {c: missing & {*itertools.combinations(enumerate(c), 2)} for c in combinations}
        best = max(found, key=lambda c: len(found[c]))
        yield best
        missing -= found[best]


CHOSEN = list(pairs(ALL))
if keras.backend.backend() != "torch":
    CHOSEN = CHOSEN[:4]
if "EVERY_COMBINATION" in os.environ:
    CHOSEN = ALL


def own_network(data):
    if data == "images":
        convolution = layers.Conv2D(3, 3, strides=2, activation="relu")
        return keras.Sequential([convolution, layers.BatchNormalization(), layers.Flatten()])
    dense = layers.Dense(6, "relu")
    return keras.Sequential([layers.Flatten(), dense, layers.BatchNormalization()])


def data_of(kind):
    return np.random.default_rng(0).random((20, *SHAPES[kind])).astype("float32")


def train(combination, folder):
    """Trains four epochs, saves after the second; returns the losses of the last two."""
    network, optimizer, data, part = combination
    keras.utils.set_random_seed(0)
    encoder = kv.VariationalEncoder(2, None if network == "default" else own_network(data))
    vae = kv.VAE(encoder, kv.networks.DenseDecoder(SHAPES[data], (4,)))
    vae.build((None, *SHAPES[data]))
    if FROZEN[part]:
        FROZEN[part](vae).trainable = False
    vae.compile(OPTIMIZERS[optimizer]())
    path = folder / f"{'-'.join(combination)}.keras"
    saves = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: vae.save(path) if epoch == 1 else None
    )
    fit = vae.fit(data_of(data), batch_size=10, epochs=4, verbose=0, callbacks=[saves])
    return fit.history["loss"][2:]


LOADS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import keras_vae as kv
from test_going_on import FROZEN, data_of

found = {}
for path in sorted(Path(sys.argv[2]).glob("*.keras")):
    _, _, data, part = path.stem.split("-")
    vae = kv.load_model(path)
    is_frozen = not FROZEN[part] or not FROZEN[part](vae).trainable
    losses = vae.fit(data_of(data), batch_size=10, epochs=2, verbose=0).history["loss"]
    found[path.stem] = [is_frozen, *losses]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def losses(tmp_path_factory):
    """The losses of each model's next epochs, here and in a process that loaded it."""
    folder = tmp_path_factory.mktemp("files")
    here = {combination: train(combination, folder) for combination in CHOSEN}
    process = subprocess.run(
        [sys.executable, "-c", LOADS, HERE, folder],
        capture_output=True,
        text=True,
        cwd=HERE.parents[1],
    )
    assert process.returncode == 0, process.stderr
    return here, json.loads(process.stdout.strip().splitlines()[-1])


@pytest.mark.in_turn
@pytest.mark.parametrize("combination", CHOSEN, ids="-".join)
def test_another_process_goes_on(losses, combination):
    here, there = losses
    is_frozen, *found = there["-".join(combination)]
    assert is_frozen
    np.testing.assert_allclose(found, here[combination], rtol=1e-5)


def test_what_is_frozen_does_not_train(tmp_path):
    """Layers and single variables, before the model is saved and after it is loaded."""
    vae = kv.VAE(kv.VariationalEncoder(2), kv.networks.DenseDecoder(6, (4,)))
    vae.build((None, 6))
    vae.encoder.network.trainable = False
    vae.decoder.stack[0].kernel.trainable = False
    vae.compile("adam")
    vae.fit(data_of("vectors"), verbose=0)
    vae.save(tmp_path / "vae.keras")
    copy = keras.saving.load_model(tmp_path / "vae.keras")
    for model in (vae, copy):
        assert not model.encoder.network.trainable
        frozen = [*model.encoder.network.variables, model.decoder.stack[0].kernel]
        before = [keras.ops.convert_to_numpy(v) for v in (*frozen, model.decoder.stack[0].bias)]
        model.fit(data_of("vectors"), verbose=0)
        *after, bias = (
            keras.ops.convert_to_numpy(v) for v in (*frozen, model.decoder.stack[0].bias)
        )
        for a, b in zip(after, before, strict=False):
            np.testing.assert_array_equal(a, b)
        assert not np.array_equal(bias, before[-1])
    copy.encoder.network.trainable = True
    assert all(v.trainable for v in copy.encoder.network.weights)
