"""Runs of `fit` with the tape of torch and without, for the tests of both."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_vae as kv
from keras_vae.backend import NAME

on_torch = pytest.mark.skipif(NAME != "torch", reason="The tape is torch's.")

N, FEATURES, BATCH = 35, 6, 10  # three batches an epoch, and a part of one
EPOCHS = 2


@pytest.fixture
def rests():
    """Returns the recorded steps of last batches, where `recorded` notes them."""
    return []


@pytest.fixture
def recorded(monkeypatch, rests):
    """Returns the recorded steps of the loops of a test, but for those of last batches."""
    from keras_vae.backend import torch_loop

    made = []

    class Noted(torch_loop.RecordedStep):
        def __init__(self, model, step, after):
            super().__init__(model, step, after)
            (rests if after == torch_loop.STEPS_TO_EARN else made).append(self)

    monkeypatch.setattr(torch_loop, "RecordedStep", Noted)
    yield made
    keras.config.set_dtype_policy("float32")


def rows(kind="bits"):
    rng = np.random.default_rng(0)
    if kind == "images":
        return rng.random((N, 8, 8, 1)).astype("float32")
    return (rng.random((N, FEATURES)) > 0.5).astype("float32")


def vae(*hidden, dense=None, encoder=None, units=FEATURES, **arguments):
    network = keras.Sequential(
        [layers.Dense(6, activation="tanh", **(dense or {})), *hidden, layers.Dense(4)]
    )
    decoder = keras.Sequential([layers.Dense(5, activation="relu"), layers.Dense(units)])
    return kv.VAE(kv.VariationalEncoder(2, network, **(encoder or {})), decoder, **arguments)


def run(make, optimizer, on, x=None, compile_kwargs=None, **fit_kwargs):
    keras.utils.set_random_seed(3)
    model = make()
    model.compile(optimizer(), device_loop=on, **(compile_kwargs or {}))
    options = {"batch_size": BATCH, "epochs": EPOCHS, "verbose": 0, **fit_kwargs}
    history = model.fit(rows() if x is None else x, **options)
    return model, history.history


def assert_same(model, other, rtol=1e-5):
    """The state of two models: weights, moments, seeds, statistics and counters."""
    pairs = zip(
        [*model.variables, *model.optimizer.variables],
        [*other.variables, *other.optimizer.variables],
        strict=True,
    )
    for variable, expected in pairs:
        values, wanted = (
            ops.convert_to_numpy(ops.cast(v, "float64")) for v in (variable, expected)
        )
        if not keras.backend.is_float_dtype(variable.dtype):
            np.testing.assert_array_equal(values, wanted, variable.path)
        else:
            scale = np.abs(wanted).max(initial=1e-3)
            np.testing.assert_allclose(values, wanted, 0, 10 * rtol * scale, err_msg=variable.path)


def assert_same_runs(make, optimizer, rtol=1e-5, **kwargs):
    model, history = run(make, optimizer, True, **kwargs)
    expected_model, expected = run(make, optimizer, False, **kwargs)
    assert history.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(history[name], expected[name], rtol, 1e-7, err_msg=name)
    assert_same(model, expected_model, rtol)


def assert_recorded(recorded):
    assert recorded and recorded[0].tape is not None, repr(recorded[0].failure)
    assert recorded[0].n_replayed > 0


def assert_fallen_back(recorded):
    assert recorded and recorded[0].tape is None
    assert recorded[0].failure is not None


def adam(**kwargs):
    return lambda: keras.optimizers.Adam(1e-2, **kwargs)
