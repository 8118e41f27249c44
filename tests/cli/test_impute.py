"""keras-vae impute, on the model that a run of train left."""

import csv

import keras
import numpy as np
import pytest
from helpers import on_one_backend

from keras_vae.cli.app import run
from keras_vae.cli.data import load_csv

pytestmark = on_one_backend


@pytest.fixture(scope="module")
def model(trained):
    return trained[0] / "vae.keras"


def rows(path, delimiter=","):
    with open(path, newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def test_a_table_keeps_all_but_its_empty_cells(model, table, tmp_path, capsys):
    out = tmp_path / "filled.csv"
    assert run(["impute", str(model), str(table), "--out", str(out), "--draws", "200"]) == 0
    before, after = rows(table), rows(out)
    assert len(before) == len(after) and before[0] == after[0]
    x = load_csv(table).x
    filled = keras.saving.load_model(model).impute(x, 200)
    n = 0
    for i, (old, new) in enumerate(zip(before[1:], after[1:], strict=True)):
        for j, (cell, given) in enumerate(zip(new, old, strict=True)):
            if given:
                assert cell == given
            else:
                n += 1
                assert float(cell) == pytest.approx(filled[i, j], rel=1e-4, abs=1e-4)
    assert n == np.isnan(x).sum() > 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "effective draws" in shown and str(np.isnan(x).any(axis=1).sum()) in shown


def test_other_columns_order_and_delimiters_stay(model, tmp_path):
    lines = [
        "c;kind;a;b",
        "1,5;x;;2",
    ]  # a comma is no number
    (tmp_path / "bad.csv").write_text("\n".join(lines))
    out = tmp_path / "out.csv"
    assert run(["impute", str(model), str(tmp_path / "bad.csv"), "--out", str(out)]) == 2
    lines = ["a;kind;b;c", '0.10;"x; y";;1.0', "?;;1;2"]
    (tmp_path / "x.csv").write_text("\n".join(lines))
    how = ["--labels", "kind", "--draws", "20"]
    assert run(["impute", str(model), str(tmp_path / "x.csv"), "--out", str(out), *how]) == 0
    header, first, second = rows(out, ";")
    assert header == ["a", "kind", "b", "c"]
    assert first[:2] == ["0.10", "x; y"] and first[3] == "1.0"
    assert float(first[2]) != 0 and float(second[0]) and second[1:] == ["", "1", "2"]


def test_arrays_keep_their_precision(model, table, tmp_path):
    x = load_csv(table).x.astype("float64") + 1e-12
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", data=x, other=x[:2])
    once = ["impute", str(model), str(tmp_path / "x.npy"), "--draws", "20", "--out"]
    assert run([*once, str(tmp_path / "out.npy")]) == 0
    filled = np.load(tmp_path / "out.npy")
    assert filled.dtype == "float64" and not np.isnan(filled).any()
    assert filled[~np.isnan(x)].tobytes() == x[~np.isnan(x)].tobytes()
    often = ["--array", "data", "--draws", "20", "--imputations", "3"]
    out = tmp_path / "out.npz"
    assert run(["impute", str(model), str(tmp_path / "x.npz"), *often, "--out", str(out)]) == 0
    assert np.load(out)["data"].shape == (3, *x.shape)
    assert run([*once, str(tmp_path / "out.csv")]) == 0
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "out.csv", delimiter=","), filled)


def test_what_is_given_wrongly_is_said_before_loading(model, table, tmp_path, capsys):
    for arguments, said in (
        ([str(table), "--out", str(tmp_path / "x.txt")], "must end in"),
        ([str(table), "--out", str(tmp_path / "x.csv"), "--imputations", "2"], "cannot hold"),
        ([str(model), "--out", str(tmp_path / "x.npy")], "is no .npy"),
    ):
        assert run(["impute", str(model), *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error and len(error.splitlines()) == 1
