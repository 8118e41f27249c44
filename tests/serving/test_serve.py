"""keras_vae/serving, run by its path, as a process of its own behind a real socket."""

import io
import json
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from helpers import make_vae
from served import JSON, MAKE, NPY, NPZ, SCRIPT, Server, assert_close, draw, npy, with_anomaly_score

pytest.importorskip("starlette", reason="the extra serve installs it")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the server is the same for every backend"
)

MIB = 2**20


@pytest.fixture(scope="module", params=list(MAKE))
def server(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("served") / "model"
    server = Server(request.param, path, MAKE[request.param](path))
    yield server
    status, log = server.stop()
    assert status in (0, -signal.SIGTERM)
    assert "Finished server process" in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("n", "sent", "accept"),
    [(1, JSON, JSON), (600, JSON, NPZ), (1, NPY, NPZ), (600, NPY, NPZ), (20_000, NPY, JSON)],
)
def test_every_route_gives_the_numbers_of_the_model(server, n, sent, accept):
    x = draw(n)
    everything = with_anomaly_score(server.expected(x))
    outputs = {
        "/reconstruct": ("reconstruction",),
        "/encode": ("z_mean", "z_log_var"),
        "/score": ("score", "anomaly_score"),
        "/predict": tuple(everything),
    }
    for route, names in outputs.items():
        found = server.post(route, x, sent, accept)
        assert_close(found, {name: everything[name] for name in names})


def test_an_answer_of_one_array_may_be_npy(server):
    x = draw(7)
    expected = server.expected(x)
    assert_close({"x": server.post("/reconstruct", x, NPY, NPY)}, {"x": expected["reconstruction"]})
    assert_close({"x": server.post("/score", x, NPY, NPY)}, {"x": expected["score"]})
    headers = {"Content-Type": NPY, "Accept": NPY}
    status, message = server.refuses("/encode", npy(x), headers)
    assert status == 406
    assert NPZ in message


@pytest.mark.parametrize("dtype", ["uint8", "bool", "int64", "float16", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_any_dtype_are_taken_as_float32(server, dtype, order):
    x = (draw(5) * 3).astype(dtype)
    expected = server.expected(x.astype("float32"))
    found = server.post("/predict", np.asarray(x, order=order), NPY, NPZ)
    assert_close(found, with_anomaly_score(expected))


def test_the_root_says_what_the_model_takes_and_gives(server):
    about = server.get("/")
    assert about["input"] == {"shape": [None, 2, 3], "dtype": "float32"}
    assert about["endpoints"]["/reconstruct"] == {"reconstruction": [None, 2, 3]}
    assert about["endpoints"]["/encode"] == {"z_mean": [None, 2], "z_log_var": [None, 2]}
    assert about["endpoints"]["/score"] == {"score": [None], "anomaly_score": [None]}
    assert len(about["endpoints"]["/predict"]) == 5
    assert about["max_bytes"] == MIB


def header_of(shape, dtype="<f4"):
    """Returns a .npy file without data."""
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


X = draw(2)
OBJECTS = npy(np.array([[1], [1, 2]], dtype=object), allow_pickle=True)
RAGGED = {"x": [[[1, 2, 3], [1, 2]]]}
STRINGS = {"x": [[["1", "2", "3"], ["4", "5", "6"]]]}
NULL = {"x": [[[None, 2, 3], [4, 5, 6]]]}
NAN, INFINITE = np.full_like(X, np.nan), np.full_like(X, np.inf)
MALFORMED = {
    "no body": (JSON, b"", 400, "not JSON"),
    "no JSON": (JSON, b'{"x": [[', 400, "not JSON"),
    "bytes": (JSON, b"\xff\xfe\xfd", 400, "not JSON"),
    "deep JSON": (JSON, b'{"x": ' + b"[" * 500_000, 400, "not JSON"),
    "long number": (JSON, b'{"x": ' + b"1" * 10_000 + b"}", 400, "not JSON"),
    "list": (JSON, X.tolist(), 422, 'key "x"'),
    "no x": (JSON, {"X": X.tolist()}, 422, 'key "x"'),
    "ragged": (JSON, RAGGED, 422, "ragged"),
    "strings": (JSON, STRINGS, 422, "numbers"),
    "null": (JSON, NULL, 422, "numbers"),
    "object": (JSON, {"x": {"a": 1}}, 422, "numbers"),
    "large integer": (JSON, {"x": [[[10**30] * 3] * 2]}, 422, "numbers"),
    "scalar": (JSON, {"x": 1}, 422, "(batch, 2, 3)"),
    "no batch axis": (JSON, {"x": X[0].tolist()}, 422, "batch of one"),
    "shape": (JSON, {"x": X[:, :, :2].tolist()}, 422, "(batch, 2, 3)"),
    "empty": (JSON, {"x": []}, 422, "empty"),
    "NaN": (JSON, {"x": NAN.tolist()}, 422, "NaN"),
    "infinite": (JSON, {"x": INFINITE.tolist()}, 422, "infinite"),
    "over float32": (JSON, {"x": (X.astype(float) * 1e300).tolist()}, 422, "infinite"),
    "no finite answer": (JSON, {"x": [[[1e30] * 3] * 2]}, 422, "as in training"),
    "form": ("application/x-www-form-urlencoded", b"x=1", 415, JSON),
    "no type": (None, b"{}", 415, NPY),
    "npy: text": (NPY, b"hello", 400, "numpy.save"),
    "npy: npz": (NPY, b"PK\x03\x04", 400, "numpy.save"),
    "npy: cut header": (NPY, npy(X)[:40], 400, "numpy.save"),
    "npy: deep header": (NPY, header_of((2, 2, 3)).replace(b"{", b"(" * 9, 1), 400, "numpy.save"),
    "npy: cut": (NPY, npy(X)[:-1], 400, "cut short"),
    "npy: too long": (NPY, npy(X) + b"0", 400, "cut short"),
    "npy: pickle": (NPY, OBJECTS, 400, "pickled"),
    "npy: huge": (NPY, header_of((10**12, 2, 3)) + bytes(24), 400, "cut short"),
    "npy: overflow": (NPY, header_of((2**62, 2, 3)), 400, "cut short"),
    "npy: beyond": (NPY, header_of((10**4000, 2, 3)), 400, "cut short"),
    "npy: huge feature": (NPY, header_of((1, 10**12)), 422, "(batch, 2, 3)"),
    "npy: negative": (NPY, header_of((-1, 2, 3)) + bytes(24), 422, "(batch, 2, 3)"),
    "npy: empty": (NPY, npy(X[:0]), 422, "empty"),
    "npy: complex": (NPY, npy(X.astype(complex)), 422, "numbers"),
    "npy: strings": (NPY, npy(X.astype(str)), 422, "numbers"),
    "npy: no bytes": (NPY, header_of((1, 2, 3), "|V0"), 422, "numbers"),
    "npy: NaN": (NPY, npy(NAN), 422, "NaN"),
    "uint8 over the limit": (NPY, npy(np.zeros((MIB // 8, 2, 3), "uint8")), 413, "1 MiB"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_input_is_answered_by_name(server, case):
    media_type, body, status, message = MALFORMED[case]
    body = body if isinstance(body, bytes) else json.dumps(body)
    headers = {"Content-Type": media_type} if media_type else {}
    found, error = server.refuses("/predict", body, headers)
    assert found == status
    assert message in error
    assert "Traceback" not in error


def test_unknown_routes_and_methods(server):
    for method, route, status in (("GET", "/score", 405), ("POST", "/nothing", 404)):
        found, media_type, body = server.request(method, route)
        assert (found, media_type) == (status, JSON)
        assert "GET /" in json.loads(body)["error"]


def test_a_large_body_is_refused(server):
    body = npy(np.zeros((MIB, 2, 3), "float32"))
    status, message = server.refuses("/score", body, {"Content-Type": NPY})
    assert status == 413
    assert "--max-mib" in message


def test_a_large_body_is_refused_on_its_announcement(server):
    with server.connect() as client:
        client.sendall(b"POST /score HTTP/1.1\r\nHost: here\r\nContent-Length: 99999999999\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 413"
    server.get("/health")


def test_a_body_without_end_is_refused_while_it_comes_and_then_cut(server):
    chunk = b"10000\r\n" + bytes(2**16) + b"\r\n"
    with server.connect() as client:
        client.sendall(b"POST /score HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(MIB // 2**16 + 1):
            client.sendall(chunk)
        assert client.recv(12) == b"HTTP/1.1 413"  # the body has not ended
        end = time.monotonic() + 20.0
        with pytest.raises(ConnectionError):
            while time.monotonic() < end:
                client.sendall(chunk)
    server.get("/health")


def test_a_client_that_leaves_early_harms_nobody(server):
    with server.connect() as client:
        client.sendall(b"POST /score HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\nabc")
    server.get("/health")


def test_concurrent_clients_get_each_their_own_answer(server):
    inputs = [draw(1 + seed % 5, seed) for seed in range(32)]
    together = threading.Barrier(len(inputs))

    def ask(x):
        together.wait(timeout=30)
        return [server.post("/predict", x, *types) for types in ((JSON, JSON), (NPY, NPZ))]

    with ThreadPoolExecutor(len(inputs)) as pool:
        answers = list(pool.map(ask, inputs))
    for x, found in zip(inputs, answers, strict=True):
        expected = with_anomaly_score(server.expected(x))
        for answer in found:
            assert_close(answer, expected)


def test_ctrl_c_ends_the_server(tmp_path):
    server = Server("onnx", tmp_path / "model", MAKE["onnx"](tmp_path / "model"))
    with server.connect():  # an idle client does not hold it up
        status, log = server.stop(by=signal.SIGINT)
    assert status == 0
    assert "Finished server process" in log
    assert "Traceback" not in log


def test_a_model_without_some_endpoints_is_served_without_them(tmp_path):
    expected = MAKE["onnx"](tmp_path / "model")
    (tmp_path / "model" / "score.onnx").unlink()
    server = Server("onnx", tmp_path / "model", expected)
    try:
        assert set(server.get("/")["endpoints"]) == {"/reconstruct", "/encode", "/predict"}
        assert_close(server.post("/predict", X), expected(X))
        assert server.refuses("/score", npy(X), {"Content-Type": NPY})[0] == 404
    finally:
        server.stop()


@pytest.mark.parametrize("kind", ["nothing", "a file", "an empty folder", "a broken model"])
def test_what_is_no_model_is_answered_in_one_line(tmp_path, kind):
    path = tmp_path / "model"
    if kind == "a file":
        path.write_text("hello")
    elif kind != "nothing":
        path.mkdir()
    if kind == "a broken model":
        (path / "score.onnx").write_text("hello")
    command = [sys.executable, SCRIPT, path]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode != 0
    assert len(result.stderr.splitlines()) == 1
    assert f"cannot serve '{path}'" in result.stderr
    assert kind == "a broken model" or "expected a folder with saved_model.pb" in result.stderr


def test_an_exported_vae_is_served(tmp_path):
    vae = make_vae()
    vae.build((None, 12))
    vae.export(tmp_path / "model", format="onnx")
    x = np.random.default_rng(0).random((5, 12)).astype("float32")
    z_mean, z_log_var = (np.asarray(value) for value in vae.posterior_params(x).values())
    expected = {"reconstruction": vae.reconstruct(x), "score": vae.score(x)}
    server = Server("onnx", tmp_path / "model", None)
    found = server.post("/predict", x, NPY, NPZ)
    server.stop()
    assert_close(found, with_anomaly_score({**expected, "z_mean": z_mean, "z_log_var": z_log_var}))
