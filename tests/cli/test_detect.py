"""detect, on the model that a run of train left."""

import csv

import keras
import numpy as np
import pytest
from helpers import on_one_backend

import keras_vae as kv
from keras_vae.cli.app import run
from keras_vae.cli.data import load_csv

pytestmark = on_one_backend


@pytest.fixture(scope="module")
def files(table, tmp_path_factory):
    """Usual rows and rows to judge, of which the last five are odd, in three formats."""
    folder = tmp_path_factory.mktemp("detect")
    x = load_csv(table).x
    x = x[~np.isnan(x).any(axis=1)]
    usual, new = x[:120], np.concatenate([x[120:160], 20.0 + x[:5]])
    np.save(folder / "usual.npy", usual)
    np.savez(folder / "new.npz", x=new)
    lines = ["a,b,c", *(",".join(map(str, row)) for row in new)]
    (folder / "new.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["new.npz", "new.csv"])
def test_detect_writes_what_the_detector_finds(trained, files, name, tmp_path, capsys):
    model, out = trained[0] / "vae.keras", tmp_path / "result.csv"
    usual = files / "usual.npy"
    options = ["--calibration", str(usual), "--rate", "0.02", "--out", str(out)]
    assert run(["detect", str(model), str(files / name), *options]) == 0
    rows = read(out)
    x = np.load(files / "new.npz")["x"]
    detector = kv.AnomalyDetector(keras.saving.load_model(model))
    detector.calibrate(np.load(usual), rate=0.02)
    assert [int(row["row"]) for row in rows] == list(range(len(x)))
    found = {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}
    np.testing.assert_allclose(found["score"], detector.score(x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["p_value"], detector.p_value(x), atol=0.01)
    np.testing.assert_array_equal(found["anomaly"], detector.predict(x))
    assert found["anomaly"][-5:].all()
    shown = " ".join(capsys.readouterr().out.split())
    assert "120 usual samples" in shown and f"on {len(x)} rows of" in shown


def test_detect_bounds_the_false_discovery_rate(trained, files, tmp_path, capsys):
    out = tmp_path / "result.csv"
    options = ["--calibration", str(files / "usual.npy"), "--fdr", "0.2", "--rate", "0.05"]
    options += ["--score", "error", "--out", str(out)]
    assert run(["detect", str(trained[0] / "vae.keras"), str(files / "new.npz"), *options]) == 0
    odd = np.array([int(row["anomaly"]) for row in read(out)])
    assert odd[-5:].all() and odd[:-5].sum() <= 5
    assert "false discovery rate of 0.2" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rate", "0.001"], "too few for a rate of 0.001"),
        (["--score", "strange"], "score must be one of"),
        (["--out", "result.txt"], "ends in .csv"),
        (["--condition", "a"], "no condition"),
    ],
)
def test_detect_says_in_one_line_what_is_wrong(trained, files, options, message, capsys):
    arguments = [str(trained[0] / "vae.keras"), str(files / "new.npz")]
    arguments += ["--calibration", str(files / "usual.npy"), *options]
    assert run(["detect", *arguments]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert message in error
