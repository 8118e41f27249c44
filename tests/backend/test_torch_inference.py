"""Inference on torch: what a tape gives is what Keras's layers give, and follows their changes."""

import threading

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_vae as kv
from keras_vae.backend import NAME

if NAME != "torch":
    pytest.skip("The tape is torch's.", allow_module_level=True)

from keras_vae.backend import torch_inference

FEATURES = 6
X = (np.random.default_rng(0).random((8, FEATURES)) > 0.5).astype("float32")
CALLS = 3


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(torch_inference, "_CALLS_TO_EARN", CALLS)


def vae(*hidden, **arguments):
    keras.utils.set_random_seed(0)
    network = keras.Sequential([layers.Dense(5, activation="tanh"), *hidden, layers.Dense(4)])
    decoder = keras.Sequential([layers.Dense(5, activation="relu"), layers.Dense(FEATURES)])
    model = kv.VAE(kv.VariationalEncoder(2, network), decoder, **arguments)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(X, epochs=1, batch_size=4, verbose=0, **given(model))
    return model


def given(model):
    return {} if model.condition is None else {"condition": np.arange(8) % 3}


def of(model, name):
    ((_, found),) = [(k, f) for k, f in model.compiled_inference.compiled.items() if k[0] == name]
    return found


def as_it_is(model, name, *inputs):
    """What the function gives without a tape."""
    import torch

    with torch.no_grad():
        return ops.convert_to_numpy(of(model, name).function(*map(ops.convert_to_tensor, inputs)))


MODELS = {
    "dense": vae,
    "dropout": lambda: vae(layers.Dropout(0.3)),
    "batch statistics": lambda: vae(layers.BatchNormalization()),
    "a condition": lambda: vae(condition=kv.conditions.OneHot(3)),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n", [1, 8])
def test_outputs_are_those_of_the_layers(name, n):
    model = MODELS[name]()
    x, condition = X[:n], {k: v[:n] for k, v in given(model).items()}
    z = model.encode(x, **condition)
    calls = {"encode": x, "reconstruct": x, "decode": z, "score": x}
    for function, data in calls.items():
        outputs = [getattr(model, function)(data, **condition) for _ in range(CALLS + 3)]
        for output in outputs:
            np.testing.assert_array_equal(output, outputs[0], err_msg=function)
        compiled = of(model, function) if function != "score" else None
        if compiled is not None:
            assert compiled.recorded is not None, repr(compiled.failure)


def recorded(model, name="encode", data=None):
    """The model's function after enough calls on one row."""
    for _ in range(CALLS + 1):
        getattr(model, name)(X[:1] if data is None else data)
    return of(model, name)


def test_weights_act_at_once():
    model = vae()
    assert recorded(model).recorded is not None
    kernel = model.encoder.network.layers[0].kernel
    kernel.assign(2.0 * kernel)
    np.testing.assert_array_equal(model.encode(X[:1]), as_it_is(model, "encode", X[:1]))
    assert of(model, "encode").recorded is not None
    model.fit(X, epochs=2, batch_size=4, verbose=0)
    np.testing.assert_array_equal(model.encode(X[:1]), as_it_is(model, "encode", X[:1]))


def test_what_layers_hold_acts_at_once():
    model = vae()
    before = recorded(model)(X[:1])
    model.encoder.network.layers[0].activation = keras.activations.relu
    after = model.encode(X[:1])
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_array_equal(after, as_it_is(model, "encode", X[:1]))
    assert recorded(model).recorded is not None  # anew


def test_other_shapes_and_types_run_as_they_are():
    model = vae()
    expected = as_it_is(model, "encode", X) if recorded(model).recorded else None
    for _ in range(2):
        np.testing.assert_allclose(model.encode(X), expected, 1e-5, 1e-6)
        np.testing.assert_allclose(model.encode(X.astype("uint8")), expected, 1e-5, 1e-6)
        np.testing.assert_allclose(model.encode(X[:1]), expected[:1], 1e-5, 1e-6)


def test_outputs_are_arrays_of_their_own():
    model, x = vae(), X[:1].copy()
    first = recorded(model)(x)
    kept = first.copy()
    model.encode(X[1:2])
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(x, X[:1])


class Reading(layers.Layer):
    """Decides by a value."""

    def call(self, x):
        return x * 2.0 if bool(ops.any(x > 0.0)) else x


class Drawing(layers.Layer):
    """Draws in inference too."""

    def __init__(self):
        super().__init__()
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, x):
        return x + keras.random.normal(ops.shape(x), seed=self.seeds)


class DrawingByNumPy(layers.Layer):
    def call(self, x):
        return x + np.random.normal()


class Counting(layers.Layer):
    n = 0

    def call(self, x):
        self.n += 1
        return x + self.n


@pytest.mark.parametrize("layer", [Reading, Drawing, DrawingByNumPy, Counting])
def test_what_cannot_be_recorded_runs_as_it_is(layer):
    model = vae(layer())
    compiled = recorded(model)
    assert compiled.recorded is None and compiled.failure is not None


def test_a_model_that_was_never_compiled_is_recorded_too():
    model = kv.VAE(kv.VariationalEncoder(2, layers.Dense(4)), layers.Dense(FEATURES))
    model.build((None, FEATURES))
    compiled = recorded(model)
    assert compiled.recorded is not None, repr(compiled.failure)
    np.testing.assert_array_equal(model.encode(X[:1]), as_it_is(model, "encode", X[:1]))


def test_draws_go_on():
    model = vae(Drawing())
    recorded(model)
    assert np.abs(model.encode(X[:1]) - model.encode(X[:1])).max() > 1e-3
    other = vae()
    draws = [other.encode(X[:1], draw=True) for _ in range(CALLS + 2)]
    assert len({draw.tobytes() for draw in draws}) == len(draws)
    samples = [other.sample(1, seed=i, draw=True) for i in range(CALLS + 2)]
    again = [other.sample(1, seed=i, draw=True) for i in range(CALLS + 2)]
    np.testing.assert_array_equal(samples, again)


def test_threads_give_what_one_gives():
    model = vae()
    expected, found = model.encode(X), {}

    def work(i):
        found[i] = np.concatenate([model.encode(X[i : i + 1]) for _ in range(20)])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, output in found.items():
        np.testing.assert_allclose(output, np.repeat(expected[i : i + 1], 20, 0), 1e-5, 1e-6)
