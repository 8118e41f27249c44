"""keras_vae/serving, run by its path, with a model whose score takes a target of its own."""

import io
import json

import keras
import numpy as np
import pytest
from helpers import make_vae, to_numpy
from served import JSON, NPY, NPZ, Server, assert_close, npy

import keras_vae as kv

pytest.importorskip("starlette", reason="the extra serve installs it")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the server is the same for every backend"
)

MIB = 2**20


def npz(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("format", ["onnx", "tf_saved_model"])
def test_a_model_with_a_target_of_its_own_takes_it_as_y(tmp_path, format):
    vae = make_vae(decoder=kv.networks.DenseDecoder(5, (8,)))
    vae.build((None, 12))
    vae.export(tmp_path / "model", format=format)
    rng = np.random.default_rng(0)
    x, y = rng.random((5, 12)).astype("float32"), rng.random((5, 5)).astype("float32")
    expected = {"score": to_numpy(vae.score_given(*map(keras.ops.convert_to_tensor, (x, y))))}
    everything = {"reconstruction": vae.reconstruct(x), "z_mean": vae.encode(x), **expected}
    server = Server("onnx" if format == "onnx" else "saved_model", tmp_path / "model", None)
    try:
        about = server.get("/")
        assert about["target"] == {"shape": [None, 5], "dtype": "float32"}
        body = json.dumps({"x": x.tolist(), "y": y.tolist()})
        for sent, content in ((JSON, body), (NPZ, npz(x=x, y=y))):
            for route, outputs in (("/score", expected), ("/predict", everything)):
                headers = {"Content-Type": sent, "Accept": NPZ}
                status, _, answer = server.request("POST", route, content, headers)
                found = np.load(io.BytesIO(answer))
                assert status == 200
                assert_close({k: found[k] for k in outputs}, outputs)
        assert_close(
            {"x": server.post("/reconstruct", x, NPY, NPY)}, {"x": everything["reconstruction"]}
        )
        refused = {
            "no y": (JSON, json.dumps({"x": x.tolist()}), 422, 'the key "y"'),
            "npy": (NPY, npy(x), 415, NPZ),
            "no y in npz": (NPZ, npz(x=x), 400, "numpy.savez(file, x=x, y=y)"),
            "no npz": (NPZ, npy(x), 400, "numpy.savez(file, x=x, y=y)"),
            "shape": (
                NPZ,
                npz(x=x, y=x),
                422,
                "y has the shape (5, 12). The model takes (ba",
            ),
            "length": (NPZ, npz(x=x, y=y[:3]), 422, "x has 5 samples, but y 3"),
            "NaN": (NPZ, npz(x=x, y=y * np.nan), 422, "y has NaN"),
            "bomb": (NPZ, npz(x=x, y=np.zeros((MIB, 5))), 413, "1 MiB"),
        }
        for sent, content, status, message in refused.values():
            found, error = server.refuses("/predict", content, {"Content-Type": sent})
            assert found == status and message in error, error
    finally:
        server.stop()
