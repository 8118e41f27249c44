"""What tests/serving/test_serve.py serves, and how it talks to the server."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).parents[2] / "keras_vae" / "serving"
JSON, NPY, NPZ = "application/json", "application/x-npy", "application/x-npz"
FEATURES = (2, 3)
WEIGHTS = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


def make_saved_model(path):
    """Writes a model with the endpoints of an export, and returns it as a function."""
    import tensorflow as tf

    class Served(tf.Module):
        def __init__(self):
            super().__init__()
            self.weights = tf.Variable(WEIGHTS)

        def parameters(self, x):
            return tf.split(tf.reshape(x, (-1, 6)) @ self.weights, 2, axis=-1)

        def reconstruct(self, x):
            return tf.nn.sigmoid(x * 3.0)

        def encode(self, x):
            z_mean, z_log_var = self.parameters(x)
            return {"z_mean": z_mean, "z_log_var": z_log_var}

        def score(self, x):
            return -tf.reduce_sum(tf.square(x), axis=(1, 2))

    served = Served()
    spec = tf.TensorSpec((None, *FEATURES), tf.float32, name="x")
    for name in ("reconstruct", "encode", "score"):
        setattr(served, name, tf.function(getattr(served, name), input_signature=[spec]))
    names = ("reconstruct", "encode", "score")
    signatures = {name: getattr(served, name).get_concrete_function() for name in names}
    tf.saved_model.save(served, str(path), signatures)
    loaded = tf.saved_model.load(str(path))

    def run(x):
        return {
            "reconstruction": loaded.reconstruct(x).numpy(),
            **{name: value.numpy() for name, value in loaded.encode(x).items()},
            "score": loaded.score(x).numpy(),
        }

    return run


def make_onnx(path):
    """Writes the same model as a folder of ONNX files, and returns it as a function."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper, save

    def write(name, nodes, constants, outputs):
        def tensor(name, *shape):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

        constants = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
        outputs = [tensor(key, *shape) for key, shape in outputs.items()]
        nodes = [helper.make_node(*node, **options) for *node, options in nodes]
        graph = helper.make_graph(nodes, name, [tensor("x", *FEATURES)], outputs, constants)
        opset = [helper.make_opsetid("", 17)]
        save(helper.make_model(graph, opset_imports=opset, ir_version=8), path / f"{name}.onnx")

    path.mkdir()
    nodes = [("Mul", ["x", "three"], ["logits"], {}),
             ("Sigmoid", ["logits"], ["reconstruction"], {})]  # fmt: skip
    write("reconstruct", nodes, {"three": np.float32(3.0)}, {"reconstruction": FEATURES})
    nodes = [("Flatten", ["x"], ["flat"], {}), ("MatMul", ["flat", "weights"], ["both"], {}),
             ("Split", ["both"], ["z_mean", "z_log_var"], {"axis": 1})]  # fmt: skip
    write("encode", nodes, {"weights": WEIGHTS}, {"z_mean": (2,), "z_log_var": (2,)})
    nodes = [("ReduceSumSquare", ["x"], ["sum"], {"axes": [1, 2], "keepdims": 0}),
             ("Neg", ["sum"], ["score"], {})]  # fmt: skip
    write("score", nodes, {}, {"score": ()})

    def run(x):
        outputs = {}
        for file in path.iterdir():
            session = onnxruntime.InferenceSession(file)
            names = [output.name for output in session.get_outputs()]
            outputs |= dict(zip(names, session.run(None, {"x": x}), strict=True))
        return outputs

    return run


MAKE = {"onnx": make_onnx, "saved_model": make_saved_model}
# What the server of each kind has to do without; TensorFlow itself imports Keras.
WITHOUT = {
    "onnx": "keras_vae,keras,tensorflow,torch,jax,uvloop",  # asyncio's loop, and else uvloop's
    "saved_model": "keras_vae,onnxruntime,torch,jax",
}
RUN_WITHOUT = """
import runpy, sys
forbidden, script = sys.argv[1:3]
del sys.argv[:2]
sys.modules |= dict.fromkeys(forbidden.split(","))  # an import of None raises
runpy.run_path(script, run_name="__main__")
"""


class Server:
    """The server of the model at `path`, in a process of its own.

    `expected(x)` gives what the model itself gives, as a dict of arrays.
    """

    def __init__(self, kind, path, expected, *options, **popen):
        self.expected = expected
        command = [sys.executable, "-c", RUN_WITHOUT, WITHOUT[kind], SCRIPT, path]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self.process = subprocess.Popen(
            [*command, "--port", "0", "--max-mib", "1", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=path.parent,
            **popen,
        )
        self.log = []
        for line in self.process.stdout:
            self.log.append(line)
            if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        else:
            raise RuntimeError("".join(self.log))
        # A pipe that nobody empties would block the server.
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stdout))
        self.reader.start()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def request(self, method, route, body=None, headers=None):
        """Returns the status, the media type and the bytes of the answer."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, route, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers["Content-Type"], response.read()

    def get(self, route):
        status, media_type, body = self.request("GET", route)
        assert (status, media_type) == (200, JSON)
        return json.loads(body)

    def post(self, route, x, sent=JSON, accept=JSON):
        """Sends x in one form; returns the arrays by name, or the one array of a .npy answer."""
        body = json.dumps({"x": x.tolist()}) if sent == JSON else npy(x)
        headers = {"Content-Type": sent, "Accept": accept}
        status, media_type, body = self.request("POST", route, body, headers)
        assert (status, media_type) == (200, accept), body
        if accept == JSON:
            return {k: np.asarray(v, "float32") for k, v in json.loads(body).items()}
        loaded = np.load(io.BytesIO(body))
        return dict(loaded) if accept == NPZ else loaded

    def refuses(self, route, body, headers):
        """Returns the status and the message of a refusal, after which the server answers on."""
        status, media_type, answer = self.request("POST", route, body, headers)
        assert media_type == JSON
        assert self.get("/health") == {"status": "ok"}
        return status, json.loads(answer)["error"]

    def stop(self, by=signal.SIGTERM):
        """Ends the server by a signal and returns its exit status and its log."""
        self.process.send_signal(by)
        status = self.process.wait(timeout=20)
        self.reader.join()
        return status, "".join(self.log)


def npy(x, **options):
    file = io.BytesIO()
    np.save(file, x, **options)
    return file.getvalue()


def draw(n, seed=0):
    return np.random.default_rng(seed).random((n, *FEATURES)).astype("float32")


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].shape == value.shape
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6)


def with_anomaly_score(outputs):
    return {**outputs, "anomaly_score": -outputs["score"]}
