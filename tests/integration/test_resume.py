"""A run that is interrupted and goes on gives the numbers of a run that was not."""

import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import assert_same_logs, make_vae
from keras.optimizers import schedules

import keras_vae as kv

HERE = Path(__file__).parent


def parts():
    """A model in which all that a run depends on occurs: schedules, noise, Dropout, a critic."""
    keras.utils.set_random_seed(7)
    network = keras.Sequential(
        [keras.layers.Dense(8, activation="relu"), keras.layers.Dropout(0.3)]
    )
    return {
        "encoder": kv.VariationalEncoder(3, network),
        "objective": kv.objectives.FactorVAE(gamma=schedules.PolynomialDecay(0.0, 30, 2.0)),
        # For all runs the same, as XLA rounds otherwise.
        "compile_kwargs": {"jit_compile": keras.backend.backend() == "jax"},
        "optimizer": keras.optimizers.Adam(schedules.ExponentialDecay(1e-2, 10, 0.9)),
    }


def fit(vae, x, epochs, **kwargs):
    kwargs = {"batch_size": 40, "validation_split": 0.25, "verbose": 0, **kwargs}
    return vae.fit(x, epochs=epochs, **kwargs).history


class EachBatch(keras.callbacks.Callback):
    """Makes `fit` use Keras's own loop."""

    def on_train_batch_end(self, batch, logs=None):
        pass


def assert_continues(history, whole):
    rest = {name: values[2:] for name, values in whole.items()}
    assert_same_logs(history, rest, rtol=1e-5)


@pytest.fixture(scope="module")
def whole(x):
    """The history of four epochs without a break."""
    return fit(make_vae(**parts()), x, 4)


KILLED = """
import os, signal, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + '/..']
import keras, numpy as np
from helpers import make_vae
from test_resume import fit, parts

class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)

folder = sys.argv[2]
backup = keras.callbacks.BackupAndRestore(folder + "/backup")
checkpoint = keras.callbacks.ModelCheckpoint(folder + "/{epoch}.keras")
fit(make_vae(**parts()), np.load(folder + "/x.npy"), 4, callbacks=[backup, checkpoint, Kill()])
"""


@pytest.fixture(scope="module")
def killed(x, tmp_path_factory):
    """The folder of a process that was killed after two of four epochs."""
    folder = tmp_path_factory.mktemp("killed")
    np.save(folder / "x.npy", x)
    process = subprocess.run([sys.executable, "-c", KILLED, HERE, folder])
    assert process.returncode == -signal.SIGKILL
    return folder


def test_a_killed_run_goes_on_from_its_backup(x, whole, killed):
    backup = keras.callbacks.BackupAndRestore(killed / "backup")
    assert_continues(fit(make_vae(**parts()), x, 4, callbacks=[backup]), whole)


@pytest.mark.in_turn
@pytest.mark.parametrize("callbacks", [[], [EachBatch()]], ids=["device_loop", "keras"])
def test_a_killed_run_goes_on_from_its_checkpoint(x, whole, killed, callbacks):
    vae = keras.saving.load_model(killed / "2.keras")
    assert_continues(fit(vae, x, 4, initial_epoch=2, callbacks=callbacks), whole)


@keras.saving.register_keras_serializable(package="tests")
class MakesDropoutWhenBuilt(keras.layers.Layer):
    def build(self, input_shape):
        self.dense, self.dropout = keras.layers.Dense(8), keras.layers.Dropout(0.3)
        self.dense.build(input_shape)
        self.dropout.build((None, 8))

    def call(self, x, training=None):
        return self.dropout(self.dense(x), training=training)


def test_random_layers_that_a_network_makes_when_built(x, tmp_path):
    # `fit` builds it while the model is traced, where seeds have no values yet.
    vae = make_vae(encoder=kv.VariationalEncoder(3, MakesDropoutWhenBuilt()))
    fit(vae, x, 1)
    vae.save(tmp_path / "vae.keras")
    copy = keras.saving.load_model(tmp_path / "vae.keras")
    keras.utils.set_random_seed(1)  # which the copy, as in another process, has nothing of
    history, expected = (fit(v, x, 1) for v in (copy, vae))
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)


def test_weights_of_a_model_with_other_random_layers_are_refused(x, tmp_path):
    vae = make_vae(**parts())
    vae.build((None, 12))
    vae.save_weights(tmp_path / "vae.weights.h5")
    other = parts()
    other["encoder"] = kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,)))
    without = make_vae(**other)
    without.build((None, 12))
    with pytest.raises(ValueError, match="networks differ"):
        without.load_weights(tmp_path / "vae.weights.h5")
