"""The command on data with something given beside it."""

import csv
import json
import shutil
import tomllib

import keras
import numpy as np
import pytest
from command import BACKEND, finish
from helpers import on_one_backend

import keras_vae as kv
from keras_vae.cli import beside, data
from keras_vae.cli.app import run

pytestmark = on_one_backend
OPTIONS = ("--latent-dim", "2", "--layers", "8", "--epochs", "2", "--no-saved-model")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of three classes, and a table with a column of texts and one of numbers."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=90)
    images = (rng.random((90, 8, 8, 1)) < 0.2 + 0.3 * y[:, None, None, None]).astype("uint8")
    np.savez(folder / "images.npz", x_train=images, y_train=y, dose=rng.normal(size=90), few=y[:9])
    kinds, ages = np.array(["cat", "dog", ""])[y], rng.normal(size=90)
    lines = [f"{a:.3f},{k},{2 * a:.3f},{i}" for a, k, i in zip(ages, kinds, y, strict=True)]
    (folder / "table.csv").write_text("\n".join(["a,kind,b,i", *lines]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "first"
    status, text = finish(
        "train", "--data", folder / "images.npz", "--condition", "y_train",
        "--prior", "conditional_normal", *OPTIONS, "--output", output,
        "--backend", BACKEND, KERAS_BACKEND="",
    )  # fmt: skip
    assert status == 0, text
    return output, text


def test_a_run_leaves_a_model_with_the_condition(trained):
    output, text = trained
    assert "given y_train as OneHot" in " ".join(text.split())
    assert "evaluate" in text and "--condition y_train" in " ".join(text.split())
    config = tomllib.loads((output / "config.toml").read_text(encoding="utf-8"))
    assert (config["condition"], config["prior"]) == ("y_train", "conditional_normal")
    pictures = {"reconstructions.png", "samples.png", "traversal.png"}
    assert pictures <= {path.name for path in output.iterdir()}
    vae = keras.saving.load_model(output / "vae.keras")
    assert isinstance(vae.condition, kv.conditions.OneHot) and vae.condition.n == 3
    assert vae.sample(3, condition=[0, 1, 2]).shape == (3, 8, 8, 1)
    with open(output / "history.csv") as file:
        assert "active_units" in next(csv.DictReader(file))


@pytest.mark.skipif(BACKEND != "torch", reason="a run more, which starts quickest on torch")
def test_its_config_repeats_a_run_to_the_same_logs(trained, tmp_path):
    output, _ = trained
    shutil.copy(output / "config.toml", tmp_path / "run.toml")
    options = ("train", "--no-saved-model", "--config", tmp_path / "run.toml")
    status, text = finish(*options, "--output", tmp_path / "second")
    assert status == 0, text
    for name in ("history.csv", "config.toml"):
        assert (tmp_path / "second" / name).read_text() == (output / name).read_text()


def test_evaluate_gives_the_numbers_of_the_model(folder, trained, tmp_path, capsys):
    model, file = str(trained[0] / "vae.keras"), tmp_path / "results.json"
    images = str(folder / "images.npz")
    options = ["--condition", "y_train", "--rows", "0", "--draws", "200", "--json", str(file)]
    assert run(["evaluate", model, images, *options]) == 0, capsys.readouterr()
    found, loaded = json.loads(file.read_text()), np.load(images)
    vae = keras.saving.load_model(model)
    inputs = {"x": loaded["x_train"].astype("float32"), "condition": loaded["y_train"]}
    expected = vae.evaluate(inputs, verbose=0, return_dict=True)
    assert found["negative_elbo"] == pytest.approx(expected["negative_elbo"], rel=0.05)
    log_p = vae.log_likelihood(inputs, 200, seed=1).log_likelihood.mean()
    assert found["log_likelihood"] == pytest.approx(log_p, abs=0.2)
    assert found["rows"] == 90
    capsys.readouterr()
    assert run(["evaluate", model, images]) == 2
    assert "--condition NAME" in capsys.readouterr().err


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_export_writes_it(folder, trained, tmp_path, format, capsys):
    if format == "litert" and BACKEND != "tensorflow":
        pytest.skip("int8 is written from TensorFlow only")
    options = ["--format", format]
    if format == "litert":
        data = str(folder / "images.npz")
        options += ["--quantize", "int8", "--representative", data, "--condition", "y_train"]
    status = run(["export", str(trained[0] / "vae.keras"), str(tmp_path / "out"), *options])
    assert status == 0, capsys.readouterr()
    assert len(list((tmp_path / "out").iterdir())) == 4


KINDS = {
    "integers": (np.array([0, 2, 1]), "OneHot", 3, None, None),
    "with unknown": (np.array([0, -1, 1]), "OneHot", 2, None, 0.1),
    "other integers": (np.array([10, 7, -1]), "OneHot", 3, (-1, 7, 10), None),
    "texts": (np.array(["b", "a", "b"]), "OneHot", 2, ("a", "b"), None),
    "missing texts": (np.array(["b", None], object), "OneHot", 1, ("b",), 0.1),
    "floats": (np.array([0.5, 1.0]), "Continuous", 1, None, None),
    "several floats": (np.ones((4, 2)), "Continuous", 2, None, None),
    "missing floats": (np.array([0.5, np.nan]), "Continuous", 1, None, 0.1),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_values_say_what_the_condition_is(name):
    values, kind, size, names, unknown = KINDS[name]
    condition = beside.condition_of("c", values)
    assert (type(condition).__name__, condition.size) == (kind, size)
    assert getattr(condition, "names", None) == names
    assert condition.unknown == unknown


def test_columns_are_taken_out_of_a_table(folder):
    path = folder / "table.csv"
    with pytest.raises(ValueError, match=r"'kind' is '(cat|dog)'.* no number"):
        data.load_csv(path)
    x, kinds, *_ = data.load_csv(path, "kind")
    y = np.load(folder / "images.npz")["y_train"]
    assert x.shape == (90, 3)
    assert kinds.tolist() == [("cat", "dog", None)[i] for i in y]
    np.testing.assert_array_equal(x[:, 2], y)
    lines = [line.split(",") for line in path.read_text().splitlines()[1:]]
    (folder / "numbers.csv").write_text(
        "a,b,i\n" + "\n".join(f"{a},{b},{i}" for a, _, b, i in lines)
    )
    x, integers, *_ = data.load_csv(folder / "numbers.csv", "i")
    np.testing.assert_array_equal(integers, y)
    assert beside.condition_of("i", integers).n == 3
    x, floats, *_ = data.load_csv(folder / "numbers.csv", "b")
    np.testing.assert_allclose(floats, 2 * x[:, 0], atol=0.002)
    assert floats.dtype.kind == "f"


def test_pictures_of_a_condition_of_numbers(folder, tmp_path, capsys):
    options = ["--condition", "dose", *OPTIONS, "--output", str(tmp_path / "run")]
    assert run(["train", "--data", str(folder / "images.npz"), *options]) == 0, capsys.readouterr()
    assert (tmp_path / "run" / "samples.png").exists()


@pytest.mark.parametrize("name", ["kind", "a"])
def test_a_table_trains_on_a_column(folder, name, tmp_path, capsys):
    path = folder / "table.csv"
    if name == "a":
        lines = [line.split(",") for line in path.read_text().splitlines()]
        path = tmp_path / "numbers.csv"
        path.write_text("\n".join(f"{a},{b},{i}" for a, _, b, i in lines))
    options = ["--condition", name, *OPTIONS, "--output", str(tmp_path / "run")]
    assert run(["train", "--data", str(path), *options]) == 0, capsys.readouterr()
    vae = keras.saving.load_model(tmp_path / "run" / "vae.keras")
    assert vae.sample(2, condition="dog" if name == "kind" else 0.5).shape[0] == 2


def test_a_factor_of_the_sprites_stays_with_its_image():
    x, shapes, *_ = data.load("sprites", condition="shape", n_sprites=40)
    images, factors = kv.datasets.Sprites().sample(40, seed=0)
    np.testing.assert_array_equal(x, images)
    np.testing.assert_array_equal(shapes, factors[:, 0])


def test_rows_stay_together_when_they_are_split():
    n = np.arange(50)
    for source in ("sprites", "table.csv"):
        parts = data.split(data.Data(n[:, None].astype("float32"), n), source, 0)
        assert [len(part.x) for part in parts] == [45, 5]
        for part in parts:
            np.testing.assert_array_equal(part.x[:, 0], part.condition)


WRONG = {
    "array": (("images.npz", "z"), "no array 'z'; it has x_train, y_train"),
    "length": (("images.npz", "few"), "has 90 rows, but few 9"),
    "column": (("table.csv", "z"), "no column 'z'; it has a, kind, b, i"),
    "factor": (("sprites", "z"), "no factor 'z'; they have shape, scale"),
    "npy": (("x.npy", "z"), "--condition names an array of a .npz file"),
    "images": (("images.npz", "x_train"), "argmax"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line(folder, case, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    np.save("x.npy", np.zeros((4, 2), "float32"))
    (source, name), message = WRONG[case]
    assert run(["train", "--output", "run", "--data", source, "--condition", name]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and message in error, error


def test_a_conditional_prior_needs_one(folder, capsys):
    options = ["--data", str(folder / "images.npz"), "--prior", "conditional_normal"]
    assert run(["train", "--output", "run", *options]) == 2
    assert "--prior conditional_normal goes with --condition" in capsys.readouterr().err
