"""evaluate, export and serve, on the model that a run of train left."""

import json
import re
import threading
import urllib.request
from contextlib import closing

import keras
import numpy as np
import pytest
from command import WITHOUT_KERAS, start
from helpers import assert_close, on_one_backend

from keras_vae.cli.app import run
from keras_vae.cli.data import load_csv


@pytest.fixture(scope="module")
def complete(table, tmp_path_factory):
    """The rows of the table without a missing value, as a file."""
    x = load_csv(table).x
    path = tmp_path_factory.mktemp("complete") / "x.npz"
    np.savez(path, x=x[~np.isnan(x).any(axis=1)])
    return path


@pytest.mark.in_turn
def test_evaluate_gives_the_numbers_of_the_model(trained, complete, tmp_path, capsys):
    model, file = trained[0] / "vae.keras", tmp_path / "results.json"
    options = ["--rows", "0", "--draws", "400", "--json", str(file)]
    assert run(["evaluate", str(model), str(complete), *options]) == 0
    found = json.loads(file.read_text())
    x = np.load(complete)["x"]
    vae = keras.saving.load_model(model)
    expected = vae.evaluate(x, verbose=0, return_dict=True)
    for name in ("negative_elbo", "reconstruction_loss", "kl_loss"):
        assert found[name] == pytest.approx(expected[name], rel=0.05, abs=0.05)
    assert found["negative_elbo"] == pytest.approx(
        found["reconstruction_loss"] + found["kl_loss"], rel=1e-5
    )
    log_p = vae.log_likelihood(x, 400, seed=1).log_likelihood.mean()
    assert found["log_likelihood"] == pytest.approx(log_p, abs=0.05)
    assert found["log_likelihood"] >= -found["negative_elbo"] - 0.05
    assert found["active_units"] == vae.active_units(x)
    assert found["rows"] == len(x)
    shown = capsys.readouterr().out
    assert f"{found['log_likelihood']:.2f}" in shown
    assert f"on {len(x)} rows of" in " ".join(shown.split())


@on_one_backend
def test_evaluate_takes_so_many_rows(trained, complete, tmp_path, capsys):
    file = tmp_path / "results.json"
    options = ["--rows", "10", "--draws", "0", "--json", str(file)]
    assert run(["evaluate", str(trained[0] / "vae.keras"), str(complete), *options]) == 0
    found = json.loads(file.read_text())
    assert found["rows"] == 10
    assert "log_likelihood" not in found
    shown = " ".join(capsys.readouterr().out.split())
    assert f"on 10 of {len(np.load(complete)['x'])} rows" in shown


@on_one_backend
def test_evaluate_says_which_shape_it_expects(trained, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.zeros((5, 4), "float32"))
    assert run(["evaluate", str(trained[0] / "vae.keras"), str(tmp_path / "x.npy")]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "(4,)" in error and "(3,)" in error


@on_one_backend
def test_what_is_exported_is_served_without_keras(trained, complete, tmp_path, capsys):
    for module in ("onnxruntime", "starlette", "uvicorn"):
        pytest.importorskip(module)
    model, folder = trained[0] / "vae.keras", tmp_path / "served"
    assert run(["export", str(model), str(folder), "--format", "onnx"]) == 0
    assert "reconstruct" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == {
        "decode.onnx", "encode.onnx", "reconstruct.onnx", "score.onnx"
    }  # fmt: skip
    x = np.load(complete)["x"][:7]
    vae = keras.saving.load_model(model)
    assert_close(ask(folder, "score", x)["score"], vae.score(x), 1e-4)
    # A single file is told by what it gives.
    assert_close(ask(folder / "encode.onnx", "encode", x)["z_mean"], vae.encode(x), 1e-4)


def ask(model, route, x):
    """Serves the model in a process that cannot import Keras, and asks it once."""
    process = start("serve", model, "--port", 0, script=WITHOUT_KERAS)
    watch = threading.Timer(60, process.kill)
    watch.start()
    try:
        for line in process.stdout:
            if found := re.search(r"running on (http://[\d.:]+)", line):
                break
        else:
            raise AssertionError("the server ended")
        body = json.dumps({"x": x.tolist()}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{found[1]}/{route}", body, headers)
        with closing(urllib.request.urlopen(request, timeout=30)) as answer:
            return {k: np.asarray(v) for k, v in json.loads(answer.read()).items()}
    finally:
        watch.cancel()
        process.terminate()
        process.communicate(timeout=30)
