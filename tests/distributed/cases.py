"""Small VAEs of the objectives that look across the batch or take several draws, for 20 steps.

Their noise is fixed, so that one device, several and several processes must agree. The last
batch of an epoch has one row, so that some get none.
"""

import os
import signal

import keras
import numpy as np
from helpers import N_FEATURES, make_vae, set_same_weights
from keras import ops

import keras_vae as kv
from keras_vae import objectives

N_ROWS, BATCH_SIZE, EPOCHS = 33, 8, 4
NAMES = ("penalties", "trimmed", "iwae", "semi_supervised", "beta_tc_vae")
rng = np.random.default_rng(0)
X = (rng.random((N_ROWS, N_FEATURES)) < 0.4).astype("float32")
WEIGHTS = rng.choice([0.0, 0.5, 2.0], N_ROWS).astype("float32")
LABELS = rng.choice([-1, 0, 1], N_ROWS)


class SamePrior(kv.priors.StandardNormal):
    """Its draws are the same four over and over, wherever they are drawn."""

    def sample_rows(self, n, batch, seed=None):
        index = ops.cumsum(ops.ones((n * batch,), "int32")) - 1
        pattern = np.random.default_rng(1).normal(size=(4, *self.event_shape))
        return ops.take(ops.convert_to_tensor(pattern, "float32"), index % 4, axis=0)


def _network(units):
    return kv.networks.DenseDecoder(1, (units,), "tanh")


def _all_penalties():
    bound = objectives.FreeBits(0.3) + objectives.MMD(2.0)
    bound += objectives.TotalCorrelation(2.0, _network(4))
    bound += objectives.MutualInformation(0.5, _network(5))
    bound += objectives.Covariance("ii", 1.0, 1.0)
    return bound + objectives.Classifier(2, 3.0)


def cases(names):
    """Yields name, parts of the model and arguments of `fit` of each, the last one always."""
    if "penalties" in names:
        parts = {"objective": _all_penalties(), "prior": SamePrior()}
        yield "penalties", parts, {"labels": LABELS}
    if "trimmed" in names:
        yield "trimmed", {"objective": objectives.Trimmed(objectives.Capacity(2.0, 3.0), 0.3)}, {}
    if "iwae" in names:
        yield "iwae", {"objective": objectives.IWAE(4)}, {"sample_weight": WEIGHTS}
    if "semi_supervised" in names:
        objective = objectives.SemiSupervised(1.0, kv.networks.DenseDecoder(2, (4,), "tanh"))
        parts = {"objective": objective, "condition": kv.conditions.OneHot(2)}
        yield "semi_supervised", parts, {"labels": LABELS}
    likelihood = kv.likelihoods.Gaussian("optimal")
    parts = {"objective": objectives.BetaTCVAE(3.0), "likelihood": likelihood}
    yield "beta_tc_vae", parts, {"sample_weight": WEIGHTS}


class Kill(keras.callbacks.Callback):
    """Ends the process as a machine that is switched off would, in the middle of an epoch."""

    n_steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self.n_steps += 1
        if self.n_steps == 12:
            os.kill(os.getpid(), signal.SIGKILL)


def train(names=NAMES, folder=None, kill=False):
    """Returns the numbers that each case ends with, by name.

    Args:
        names: of the cases.
        folder: where a checkpoint of each epoch is, from which a run goes on, and files go.
        kill: whether this process is killed on the way.
    """
    found = {}
    for name, parts, beside in cases(names):
        keras.utils.set_random_seed(0)
        vae = make_vae(keras.optimizers.SGD(0.02, momentum=0.5), noise=0.4, **parts)
        vae.build((None, N_FEATURES))
        set_same_weights(vae)
        options = {"batch_size": BATCH_SIZE, "verbose": 0, **beside}
        callbacks = [Kill()] if kill else []
        if folder:
            backup = keras.callbacks.BackupAndRestore(f"{folder}/{name}", delete_checkpoint=False)
            callbacks.append(backup)
        history = vae.fit(X, epochs=EPOCHS, callbacks=callbacks, **options).history
        found["epochs"] = np.array(len(history["loss"]))
        logs = vae.evaluate(X, return_dict=True, **options)
        weights = np.concatenate([np.ravel(w) for w in vae.get_weights()])
        found |= {f"{name}: weights": weights}
        found |= {f"{name}: last {key}": np.array(values[-1]) for key, values in history.items()}
        found |= {f"{name}: final {key}": np.array(value) for key, value in logs.items()}
    found["codes"] = vae.encode(X)
    found["log_likelihood"] = vae.log_likelihood(X, n_samples=4)
    found["samples"] = vae.sample(3, seed=1)
    if folder:
        vae.save(f"{folder}/model.keras")
    return found


def assert_same(found, expected):
    """Compares the weights to 1e-6, and all else to 1e-5 of its size."""
    assert found
    for name, value in found.items():
        if name == "epochs":
            continue
        tolerance = {"atol": 1e-6} if name.endswith("weights") else {"rtol": 1e-5, "atol": 1e-6}
        tolerance = {"rtol": 0.0} | tolerance
        np.testing.assert_allclose(value, expected[name], **tolerance, err_msg=name)
