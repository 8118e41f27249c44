"""Parts of keras_vae/serving, imported by their plain names."""

import asyncio
import json
import logging
import sys
import threading

import keras
import numpy as np
import pytest
from served import SCRIPT

pytest.importorskip("starlette", reason="the extra serve installs it")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the server is the same for every backend"
)


@pytest.fixture(autouse=True)
def serving(monkeypatch):
    """Lets the tests import the server's modules, and forgets them again."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(str(SCRIPT))
    yield
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(SCRIPT)):
            del sys.modules[name]


def batched(requests, run, max_rows=8):
    """Gives what requests get that wait while a first one runs, and the sizes of the calls."""
    from batching import Batcher

    sizes, all_wait = [], threading.Event()

    def recorded(inputs):
        all_wait.wait(30)
        sizes.append(len(inputs["x"]))
        return run(inputs)

    async def ask():
        batcher = Batcher(recorded, max_rows)
        tasks = [asyncio.create_task(batcher({"x": x})) for x in requests]
        await asyncio.sleep(0)
        all_wait.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(ask()), sizes


def rows(n, start=0):
    return np.arange(start, start + n, dtype="float32")[:, None]


def double(inputs):
    return {"y": 2 * inputs["x"]}


def test_a_batch_gives_each_request_its_rows():
    requests = [rows(1), rows(2, 10), rows(3, 20), rows(4, 30), rows(1, 40)]
    answers, sizes = batched(requests, double)
    for x, answer in zip(requests, answers, strict=True):
        np.testing.assert_array_equal(answer["y"], 2 * x)
    assert sizes == [6, 5]  # in the order in which they came, at most 8


def test_a_long_request_lets_others_in():
    answers, sizes = batched([rows(20), rows(1, 100)], double)
    np.testing.assert_array_equal(answers[0]["y"], 2 * rows(20))
    np.testing.assert_array_equal(answers[1]["y"], 2 * rows(1, 100))
    assert sizes == [8, 1, 8, 4]


def test_only_who_has_to_fails():
    def refuse_negative(inputs):
        if (inputs["x"] < 0).any():
            raise ValueError("negative")
        return double(inputs)

    answers, _ = batched([rows(1), rows(2, -1), rows(3)], refuse_negative)
    np.testing.assert_array_equal(answers[0]["y"], 2 * rows(1))
    assert isinstance(answers[1], ValueError)
    np.testing.assert_array_equal(answers[2]["y"], 2 * rows(3))


def test_rows_of_other_shapes_run_apart():
    answers, sizes = batched([np.ones((1, 2)), np.ones((1, 3)), np.ones((2, 3))], double)
    assert [answer["y"].shape for answer in answers] == [(1, 2), (1, 3), (2, 3)]
    assert sizes == [1, 3]


@pytest.mark.parametrize(
    "document",
    [
        {"x": [[0.1, 1e30], [-3, 2.5]], "y": [True, False]},
        {"x": [[1], [2, 3]]},
        {"x": ["a", "bc"]},
        {"x": [None, 1]},
        {"x": []},
        {"X": 1},
        "{",
    ],
)
def test_json_in_a_process_of_its_own_is_read_the_same(document):
    from json_arrays import JSONError, parse, parse_apart

    text = document if isinstance(document, str) else json.dumps(document)
    names = ["x", "y"] if "y" in document else ["x"]
    found = []
    for read in (parse, lambda body, names: parse_apart(body, names, 2**31)):
        try:
            arrays = read(bytearray(text.encode()), names)
            values = {k: a.tolist() if a.dtype.kind in "biuf" else 0 for k, a in arrays.items()}
            found.append({k: (a.dtype, a.shape, values[k]) for k, a in arrays.items()})
        except JSONError as error:
            found.append((error.status, error.message))
    assert found[0] == found[1]


def test_json_that_takes_too_much_memory_is_refused():
    from json_arrays import JSONError, parse_apart

    body = bytearray(b'{"x": [' + b"[]," * 2**20 + b"[]]}")
    with pytest.raises(JSONError, match="memory") as error:
        parse_apart(body, ["x"], 2**26)
    assert error.value.status == 413


def test_a_log_repeats_itself_seldom(monkeypatch):
    import quiet_log

    now = 0.0
    monkeypatch.setattr(quiet_log.time, "monotonic", lambda: now)
    lines, logger = [], logging.Logger("server")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    handler.addFilter(quiet_log.Seldom())
    logger.addHandler(handler)
    for second in range(62):
        now = float(second)
        for client in range(10):
            logger.warning("no request: %s", client)
    assert lines[:6] == [*(f"no request: {client}" for client in range(5)), lines[5]]
    assert "605 more" in lines[5]
    assert len(lines) == 10
