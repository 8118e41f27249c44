"""keras_vae/serving, run by its path, with a model that has conditions."""

import io
import json

import keras
import numpy as np
import pytest
from helpers import make_vae
from served import JSON, NPY, NPZ, Server, assert_close, npy

import keras_vae as kv

pytest.importorskip("starlette", reason="the extra serve installs it")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the server is the same for every backend"
)
X = np.random.default_rng(0).random((300, 12)).astype("float32")
DIGITS = np.arange(300) % 3
ANGLES = np.random.default_rng(1).normal(size=(300, 1)).astype("float32")


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def as_json(**arrays):
    return json.dumps({name: np.asarray(array).tolist() for name, array in arrays.items()})


def answer(server, route, sent, body):
    headers = {"Content-Type": sent, "Accept": NPZ}
    status, _, content = server.request("POST", route, body, headers)
    assert status == 200, content
    return dict(np.load(io.BytesIO(content)))


@pytest.fixture(scope="module", params=["onnx", "tf_saved_model"])
def served(request, tmp_path_factory):
    """A model with two conditions, one of which may be unknown, and its server."""
    path = tmp_path_factory.mktemp("served") / "model"
    conditions = {
        "digit": kv.conditions.OneHot(3),
        "angle": kv.conditions.Continuous(1, unknown=0.1),
    }
    vae = make_vae(condition=conditions, prior="conditional_normal")
    vae.fit(X, condition={"digit": DIGITS, "angle": ANGLES}, verbose=0)
    vae.export(path, format=request.param)
    server = Server("onnx" if request.param == "onnx" else "saved_model", path, None)
    yield vae, server
    _, log = server.stop()
    assert "Traceback" not in log


def test_the_conditions_come_beside_x_by_name(served):
    vae, server = served
    about = server.get("/")
    assert about["input"] == {"shape": [None, 12], "dtype": "float32"}
    assert about["conditions"] == {
        "digit": {"shape": [None], "dtype": "int32"},
        "angle": {"shape": [None, 1], "dtype": "float32"},
    }
    angles = ANGLES.copy()
    angles[0] = np.nan
    given = {"digit": DIGITS, "angle": angles}
    expected = {
        "reconstruction": vae.reconstruct(X, condition=given),
        "z_mean": vae.encode(X, condition=given),
        "score": vae.score(X, condition=given),
    }
    for sent, write in ((JSON, as_json), (NPZ, npz)):
        body = write(x=X, **given)
        found = answer(server, "/predict", sent, body)
        assert_close({k: found[k] for k in expected}, expected)
        found = answer(server, "/score", sent, body)
        assert_close({"score": found["score"]}, {"score": expected["score"]})


REFUSED = {
    "no digit": (JSON, as_json(x=X, angle=ANGLES), 422, 'the key "digit"'),
    "no angle": (NPZ, npz(x=X, digit=DIGITS), 400, "lacks angle. Write it by numpy.savez(file, x="),
    "nothing": (NPZ, npz(x=X), 400, "lacks angle and digit"),
    "npy": (NPY, npy(X), 415, "The model takes x and angle and digit"),
    "length": (JSON, as_json(x=X, digit=DIGITS[:3], angle=ANGLES), 422, "but digit 3. Send a cond"),
    "half": (JSON, as_json(x=X, digit=DIGITS / 2, angle=ANGLES), 422, "digit must hold whole numb"),
    "NaN": (NPZ, npz(x=X, digit=DIGITS * np.nan, angle=ANGLES), 422, "digit must hold whole numb"),
    "shape": (NPZ, npz(x=X, digit=DIGITS, angle=ANGLES[:, 0]), 422, "The model takes (batch, 1)"),
    "infinite": (NPZ, npz(x=X, digit=DIGITS, angle=ANGLES + np.inf), 422, "angle has NaN or inf"),
    "text": (JSON, as_json(x=X, digit=["3"] * 300, angle=ANGLES), 422, "digit must hold numbers"),
    "unseen": (NPZ, npz(x=X, digit=DIGITS + 1, angle=ANGLES), 422, "the model was trained with"),
    "x": (NPZ, npz(x=X * np.nan, digit=DIGITS, angle=ANGLES), 422, "x has NaN"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_said_by_name(served, case):
    sent, body, status, message = REFUSED[case]
    found, error = served[1].refuses("/predict", body, {"Content-Type": sent})
    assert (found, message in error) == (status, True), error


def test_a_saved_model_samples_a_row_for_each_condition(served):
    vae, server = served
    if "/sample" not in server.get("/")["endpoints"]:  # ONNX Runtime does not draw by seed
        assert server.refuses("/sample", b"{}", {"Content-Type": JSON})[0] == 404
        return
    given = {"digit": np.full(1000, 2), "angle": np.full((1000, 1), 0.3)}
    found = answer(server, "/sample", NPZ, npz(**given, seed=1))["reconstruction"]
    again = answer(server, "/sample", JSON, as_json(**given, seed=1))["reconstruction"]
    np.testing.assert_allclose(again, found, rtol=1e-6)
    assert not np.allclose(
        answer(server, "/sample", NPZ, npz(**given, seed=2))["reconstruction"], found
    )
    drawn = vae.sample(1000, seed=0, condition={"digit": 2, "angle": 0.3})
    error = np.maximum(drawn.std(axis=0), 1e-4) / np.sqrt(500)
    assert (np.abs(found.mean(axis=0) - drawn.mean(axis=0)) < 5 * error).all()
    refused = {
        "no seed": (as_json(**given), 422, 'the key "seed"'),
        "no digit": (as_json(angle=[[1.0]], seed=1), 422, 'the key "digit"'),
        "seeds": (as_json(**given, seed=[1, 2]), 422, "seed must be one whole number"),
        "many": (as_json(digit=[2] * 30_000, angle=[[1]] * 30_000, seed=1), 413, "What is drawn"),
    }
    for body, status, message in refused.values():
        code, error = server.refuses("/sample", body, {"Content-Type": JSON})
        assert (code, message in error) == (status, True), error


def test_a_saved_model_without_a_condition_samples_n(tmp_path):
    import tensorflow as tf

    vae = make_vae()
    vae.build((None, 12))
    vae.export(tmp_path / "model")
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    expected = loaded.sample(5, 1).numpy()
    server = Server("saved_model", tmp_path / "model", None)
    try:
        assert "conditions" not in server.get("/")
        assert set(server.get("/")["endpoints"]["/predict"]) == {
            "reconstruction", "z_mean", "z_log_var", "score", "anomaly_score"
        }  # fmt: skip
        found = answer(server, "/sample", JSON, as_json(n=5, seed=1))
        assert_close(found, {"reconstruction": expected})
        for body, status, message in (
            (as_json(seed=1), 422, 'the key "n"'),
            (as_json(n=0, seed=1), 422, "n must be at least 1"),
            (as_json(n=10**9, seed=1), 413, "What is drawn"),
            (as_json(n=2.5, seed=1), 422, "n must be one whole number"),
        ):
            code, error = server.refuses("/sample", body, {"Content-Type": JSON})
            assert (code, message in error) == (status, True), error
    finally:
        server.stop()
