"""keras_vae/serving with clients that stall, send too much, or come all at once."""

import json
import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from served import JSON, NPY, NPZ, Server, assert_close, draw, make_onnx, npy, with_anomaly_score

pytest.importorskip("starlette", reason="the extra serve installs it")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the server is the same for every backend"
)

MIB = 2**20
HALF_HEAD = b"POST /score HTTP/1.1\r\nHost: he"
HALF_BODY = b"POST /score HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\nabc"
HEALTH = b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("served") / "model"
    return path, make_onnx(path)


@pytest.fixture(scope="module")
def server(model):
    """A server that waits half a second for its clients, and takes one request at once."""
    seconds = [f"--{what}-seconds=0.5" for what in ("head", "body", "answer")]
    server = Server("onnx", *model, "--max-mib", "4", "--max-requests", "1", *seconds)
    yield server
    _, log = server.stop()
    assert "Traceback" not in log


def ended(client):
    """Returns all that a connection gives until the server closes it."""
    parts = []
    while part := client.recv(2**16):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    "sent",
    [b"", HALF_HEAD, HALF_BODY],
    ids=["nothing", "half a head", "half a body"],
)
def test_who_stalls_is_answered_and_closed(server, sent):
    with server.connect() as client:
        client.sendall(sent)
        found = ended(client)
    assert found.startswith(b"HTTP/1.1 408") and b"0.5 seconds" in found


def test_a_second_request_has_a_deadline_too(server):
    with server.connect() as client:
        client.sendall(HEALTH)
        assert client.recv(2**16).startswith(b"HTTP/1.1 200")
        client.sendall(HALF_HEAD)
        assert b"HTTP/1.1 408" in ended(client)


def test_a_head_that_comes_in_drops_is_not_waited_for(server):
    end = time.monotonic() + 20.0
    with server.connect() as client, pytest.raises(ConnectionError):
        while time.monotonic() < end:
            client.sendall(b"P")
            time.sleep(0.05)


def large_json(rows=50_000):
    """Returns a body that is parsed in a process of its own, and its rows."""
    x = draw(rows).astype("float64").round(2)
    return json.dumps({"x": x.tolist()}), x.astype("float32")


def under_way(server):
    _, _, text = server.request("GET", "/metrics")
    return b"\nkeras_vae_requests_under_way 1\n" in text


def test_an_answer_that_nobody_takes_is_not_kept(server):
    """It has 20 MB, more than the system holds for a client."""
    body = npy(np.zeros((150_000, 2, 3), "float32"))
    head = f"POST /reconstruct HTTP/1.1\r\nHost: here\r\nContent-Type: {NPY}\r\n"
    with server.connect() as client:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_until(lambda: under_way(server))
        wait_until(lambda: not under_way(server))
        found = ended(client)
    assert found.startswith(b"HTTP/1.1 200") and not found.endswith(b"]}\r\n0\r\n\r\n")


def wait_until(is_so):
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end


def test_no_more_requests_are_taken_than_there_is_room_for(server):
    body, x = large_json()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.request, "POST", "/score", body, {"Content-Type": JSON})
        while not first.done() and not under_way(server):
            pass
        with server.connect() as client:
            client.sendall(HALF_BODY)
            refused = ended(client)
        status, _, answer = first.result()
    assert refused.startswith(b"HTTP/1.1 503") and b"\r\nretry-after: 1\r\n" in refused.lower()
    assert status == 200
    found = np.asarray(json.loads(answer)["score"])
    np.testing.assert_allclose(found, server.expected(x)["score"], rtol=1e-5)


@pytest.mark.parametrize(
    "content", [b'{"x": [' + b"[]," * MIB, b'{"x": ' + b"[" * 3 * MIB, b'{"x": [' + b"{}," * MIB]
)
def test_json_is_refused_by_what_it_becomes(server, content):
    """Bodies of 3 MiB of at most 4 that would become hundreds."""
    status, error = server.refuses("/score", content, {"Content-Type": JSON})
    assert (status, "commas and lists" in error) == (413, True), error


def test_large_json_is_told_what_is_wrong(server):
    x = [[[0] * 3] * 2] * 60_000
    bodies = {
        "not JSON": (400, json.dumps({"x": x})[:-1]),
        "has the shape": (422, json.dumps({"x": [row[:1] for row in x]})),
    }
    for message, (status, body) in bodies.items():
        found, error = server.refuses("/score", body, {"Content-Type": JSON})
        assert (found, message in error) == (status, True), error


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_a_compressed_body_is_refused_by_name(server, encoding):
    headers = {"Content-Type": NPY, "Content-Encoding": encoding}
    status, error = server.refuses("/score", npy(draw(1)), headers)
    assert (status, encoding in error) == (415, True)


def test_a_zip_of_very_many_files_is_refused(server):
    many = npy(draw(1)) + b"PK\1\2" * 2000
    status, error = server.refuses("/score", many, {"Content-Type": NPZ})
    assert (status, "too many files" in error) == (413, True)


def test_the_metrics_are_those_of_prometheus(model):
    parser = pytest.importorskip("prometheus_client.parser")
    server = Server("onnx", *model)
    try:
        server.post("/score", draw(3))
        server.post("/predict", draw(100), NPY, NPZ)
        server.refuses("/score", b"", {"Content-Type": JSON})
        server.request("GET", "/made/up")
        _, media_type, text = server.request("GET", "/metrics")
    finally:
        server.stop()
    assert media_type.startswith("text/plain; version=0.0.4")
    families = {f.name: f for f in parser.text_string_to_metric_families(text.decode())}
    values = {(s.name, *s.labels.values()): s.value for f in families.values() for s in f.samples}
    assert values["keras_vae_requests_total", "/score", "200"] == 1
    assert values["keras_vae_requests_total", "/score", "400"] == 1
    assert values["keras_vae_requests_total", "other", "404"] == 1
    assert values["keras_vae_model_rows_total", "/predict"] == 100
    assert values["keras_vae_model_calls_total", "/predict"] == 2  # of 64 rows at most
    assert values["keras_vae_requests_under_way",] == values["keras_vae_body_bytes",] == 0
    assert values["keras_vae_request_seconds_count", "/score"] == 2
    assert values["keras_vae_request_seconds_bucket", "/score", "+Inf"] == 2
    assert families["keras_vae_request_seconds"].type == "histogram"


def test_what_was_accepted_is_answered_when_the_server_is_stopped(model):
    server = Server("onnx", *model, "--max-mib", "4")
    body, x = large_json()
    with ThreadPoolExecutor(1) as pool, server.connect() as stalled, server.connect() as half:
        stalled.sendall(HALF_HEAD)
        half.sendall(HALF_BODY)
        answer = pool.submit(server.request, "POST", "/score", body, {"Content-Type": JSON})
        while not answer.done() and not under_way(server):
            pass
        _, log = server.stop()
        status, _, content = answer.result()
    assert status == 200
    assert_close(
        {"x": np.asarray(json.loads(content)["score"], "float32")},
        {"x": server.expected(x)["score"]},
    )
    assert "Finished server process" in log
    assert "Traceback" not in log


def few_files():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))


def test_more_connections_than_files_may_be_open_are_refused_in_quiet(model):
    server = Server("onnx", *model, preexec_fn=few_files)
    clients = [server.connect() for _ in range(150)]
    try:
        assert ended(clients[-1]).startswith(b"HTTP/1.1 503")
    finally:
        for client in clients:
            client.close()
    end = time.monotonic() + 20.0
    while time.monotonic() < end:  # the server sees only in time that they are closed
        try:
            assert server.request("GET", "/health")[0] in (200, 503)
            break
        except OSError:
            pass
    for _ in range(50):
        with server.connect() as client:
            client.sendall(b"\r\nnonsense\r\n\r\n")
            assert ended(client)[9:12] in (b"400", b"503")
    _, log = server.stop()
    assert len(log.splitlines()) < 20, log


def test_requests_that_wait_together_are_one_call(model):
    server = Server("onnx", *model)
    inputs = [draw(1 + seed % 3, seed) for seed in range(40)]
    together = threading.Barrier(len(inputs))

    def ask(x):
        together.wait(timeout=30)
        return [server.post("/predict", x, NPY, NPZ) for _ in range(3)]

    try:
        with ThreadPoolExecutor(len(inputs)) as pool:
            answers = list(pool.map(ask, inputs))
        text = server.request("GET", "/metrics")[2].decode()
    finally:
        server.stop()
    for x, found in zip(inputs, answers, strict=True):
        for answer in found:
            assert_close(answer, with_anomaly_score(server.expected(x)))
    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines())
    calls = int(numbers['keras_vae_model_calls_total{route="/predict"}'])
    assert int(numbers['keras_vae_model_rows_total{route="/predict"}']) == 3 * sum(map(len, inputs))
    assert calls < 120
