"""Small VAEs of all objectives that look across the batch, trained for 20 steps.

Their noise is fixed, so that one device, several and several processes must agree. The last
batch of an epoch has one row, so that some get none.
"""

import keras
import numpy as np
from helpers import N_FEATURES, make_vae, set_same_weights
from keras import ops

import keras_vae as kv
from keras_vae import objectives

N_ROWS, BATCH_SIZE, EPOCHS = 33, 8, 4
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


def cases():
    """Yields name, model and the arguments of its `fit`."""
    penalties = {"objective": _all_penalties(), "prior": SamePrior()}
    yield "penalties", penalties, {"labels": LABELS}
    optimal = {"objective": objectives.BetaTCVAE(3.0), "likelihood": kv.likelihoods.Gaussian("optimal")}
    yield "beta_tc_vae", optimal, {"sample_weight": WEIGHTS}
    yield "trimmed", {"objective": objectives.Trimmed(objectives.Capacity(2.0, 3.0), 0.3)}, {}


def train(x=X, batch_size=BATCH_SIZE, part=slice(None)):
    """Returns the numbers that each case ends with, by name."""
    found = {}
    for name, parts, beside in cases():
        keras.utils.set_random_seed(0)
        vae = make_vae(keras.optimizers.SGD(0.02, momentum=0.5), noise=0.4, **parts)
        vae.build((None, N_FEATURES))
        set_same_weights(vae)
        options = {"batch_size": batch_size, "verbose": 0}
        options |= {key: value[part] for key, value in beside.items()}
        history = vae.fit(x[part], epochs=EPOCHS, **options).history
        logs = vae.evaluate(x[part], return_dict=True, **options)
        weights = np.concatenate([np.ravel(w) for w in vae.get_weights()])
        found |= {f"{name}: weights": weights}
        found |= {f"{name}: {key}": np.array(values) for key, values in history.items()}
        found |= {f"{name}: final {key}": np.array(value) for key, value in logs.items()}
    return found


def assert_same(found, expected):
    """Compares the weights to 1e-6, and the logs to 1e-5 of their size."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        tolerance = {"atol": 1e-6} if name.endswith("weights") else {"rtol": 1e-5, "atol": 1e-6}
        np.testing.assert_allclose(found[name], value, **({"rtol": 0.0} | tolerance), err_msg=name)
