"""encode, decode and reconstruct: compiled once, and right whatever happens to the model."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from helpers import make_vae, set_same_weights, to_numpy

BACKEND = keras.backend.backend()


@pytest.fixture
def vae(x):
    vae = make_vae()
    vae.build((None, *x.shape[1:]))
    set_same_weights(vae)
    return vae


def uncompiled(vae, x):
    return to_numpy(vae(keras.ops.convert_to_tensor(x)))


def test_new_weights_are_seen(vae, x, tmp_path):
    before = vae.reconstruct(x)
    np.testing.assert_allclose(before, uncompiled(vae, x), atol=1e-6)
    vae.save_weights(tmp_path / "vae.weights.h5")
    vae.fit(x, epochs=2, verbose=0)
    trained = vae.reconstruct(x)
    assert np.abs(trained - before).max() > 1e-3
    np.testing.assert_allclose(trained, uncompiled(vae, x), atol=1e-6)
    vae.load_weights(tmp_path / "vae.weights.h5")
    np.testing.assert_allclose(vae.reconstruct(x), before, atol=1e-6)
    np.testing.assert_allclose(vae.decode(vae.encode(x)), before, atol=1e-6)


def test_threads(vae, x):
    expected = [uncompiled(vae, x[:n]) for n in range(1, 17)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: vae.reconstruct(x[:n]), 4 * list(range(1, 17))))
    for result, other in zip(results, 4 * expected, strict=True):
        np.testing.assert_allclose(result, other, atol=1e-6)


def test_a_function_is_traced_once_per_shape(vae, x, monkeypatch):
    traces = []
    mean_given = type(vae).mean_given

    def traced(self, z, **given):
        traces.append(z.shape)
        return mean_given(self, z, **given)

    monkeypatch.setattr(type(vae), "mean_given", traced)
    for _ in range(3):
        for n in (1, 5, 6, 7, 8, 200):
            vae.decode(np.zeros((n, 3)), batch_size=64)
    # JAX: batches of 1, 8 and 64; TensorFlow: of one row, and of any number.
    most = {"jax": 3, "tensorflow": 2, "torch": 27}[BACKEND]
    assert len(traces) <= most


def test_results_can_be_changed_in_place(vae, x):
    for n in (1, 200):
        reconstruction = vae.reconstruct(x[:n])
        reconstruction += 1.0
        np.testing.assert_allclose(vae.reconstruct(x[:n]), reconstruction - 1.0, atol=1e-6)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a warning of TensorFlow")
def test_many_models_are_no_reason_to_warn_of_retracing(x, caplog, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.get_logger(), "propagate", True)
    for _ in range(6):
        vae = make_vae()
        vae.fit(x[:40], verbose=0)
        vae.encode(x[:40])
    assert "retracing" not in caplog.text
