"""The command on data with labels that have holes."""

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
from keras_vae.cli import data, labels
from keras_vae.cli.app import run

pytestmark = on_one_backend
OPTIONS = ("--latent-dim", "2", "--layers", "8", "--epochs", "2", "--no-saved-model")
M2 = ("--objective", "semi_supervised")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of three classes that their brightness tells, some labelled, and a table."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    images = (rng.random((300, 8, 8, 1)) < 0.2 + 0.3 * y[:, None, None, None]).astype("uint8")
    half = np.where(np.arange(300) % 2, y, -1)
    few = np.where(np.arange(300) % 15, -1, y)
    none, one = np.full(300, -1), np.where(few >= 0, 1, -1)
    np.savez(
        folder / "images.npz", x_train=images, y=y, half=half, few=few, none=none, one=one,
        floats=np.where(half < 0, np.nan, half), fractions=y + 0.5,
    )  # fmt: skip
    kinds, noise = np.array(["cat", "dog", ""])[y], rng.random(300)
    lines = [f"{i + n:.3f},{k},{i - n:.3f}" for i, k, n in zip(y, kinds, noise, strict=True)]
    (folder / "table.csv").write_text("\n".join(["a,kind,b", *lines]), encoding="utf-8")
    return folder


def train_on(folder, output, *options):
    return finish(
        "train", "--data", folder / "images.npz", *OPTIONS, *options, "--output", output,
        "--backend", BACKEND, KERAS_BACKEND="",
    )  # fmt: skip


@pytest.fixture(scope="module")
def m2(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "m2"
    status, text = train_on(folder, output, "--labels", "few", *M2)
    assert status == 0, text
    return output, " ".join(text.split())


@pytest.fixture(scope="module")
def classifier(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "classifier"
    options = ("--beta", "0.1", "--network", "dense", "--learning-rate", "0.01", "--epochs", "20")
    status, text = train_on(folder, output, "--labels", "half", *options)
    assert status == 0, text
    return output, " ".join(text.split())


def held_back(folder, name):
    """Returns the rows that a run validates on."""
    rows = data.load(str(folder / "images.npz"), labels=name)
    return data.split(rows, "images.npz", 0)[1]


def test_a_run_of_m2_leaves_its_model_and_pictures(folder, m2):
    output, text = m2
    n = np.sum(data.load(str(folder / "images.npz"), labels="few").labels >= 0)
    n -= np.sum(held_back(folder, "few").labels >= 0)
    assert f"{n} labelled by few with 3 classes" in text and "--labels few" in text
    config = tomllib.loads((output / "config.toml").read_text(encoding="utf-8"))
    assert (config["labels"], config["objective"], config["beta"]) == ("few", M2[1], 1.0)
    assert "condition" not in config
    pictures = {"reconstructions.png", "samples.png", "traversal.png", "logs"}
    assert pictures <= {path.name for path in output.iterdir()}
    assert (output / "logs" / "vae" / "labels.tsv").exists()
    vae = keras.saving.load_model(output / "vae.keras")
    assert isinstance(vae.objective, kv.objectives.SemiSupervised)
    assert vae.sample(3, condition=[0, 1, 2]).shape == (3, 8, 8, 1)
    with open(output / "history.csv") as file:
        assert "val_classification_loss" in next(csv.DictReader(file))


def test_its_config_repeats_a_run_to_the_same_logs(m2, tmp_path):
    output, _ = m2
    shutil.copy(output / "config.toml", tmp_path / "run.toml")
    options = ("train", "--no-saved-model", "--config", tmp_path / "run.toml")
    status, text = finish(*options, "--output", tmp_path / "second")
    assert status == 0, text
    for name in ("history.csv", "config.toml"):
        assert (tmp_path / "second" / name).read_text() == (output / name).read_text()


def test_a_classifier_beside_the_bound_learns_the_labels(folder, classifier):
    output, text = classifier
    vae = keras.saving.load_model(output / "vae.keras")
    penalty = vae.objective.penalties[0]
    assert isinstance(penalty, kv.objectives.Classifier) and penalty.categories == 3
    assert vae.condition is None and vae.objective.beta == pytest.approx(0.1)
    rows = held_back(folder, "half")
    known = rows.labels >= 0
    right = vae.classify(rows.x).argmax(axis=1)[known] == rows.labels[known]
    assert f"accuracy {right.mean():.1%} of the classes of {known.sum()} labelled rows" in text
    assert right.mean() > 0.6  # by chance a third


@pytest.mark.parametrize(("run_of", "name"), [("m2", "y"), ("classifier", "half")])
def test_evaluate_gives_the_accuracy(folder, run_of, name, request, tmp_path, capsys):
    model = str(request.getfixturevalue(run_of)[0] / "vae.keras")
    images, file = str(folder / "images.npz"), tmp_path / "results.json"
    options = ["--rows", "0", "--draws", "5", "--json", str(file)]
    assert run(["evaluate", model, images, "--labels", name, *options]) == 0, capsys.readouterr()
    found, loaded = json.loads(file.read_text()), np.load(images)
    vae, y = keras.saving.load_model(model), loaded[name]
    guesses = vae.classify(loaded["x_train"]).argmax(axis=1)
    assert found["accuracy"] == pytest.approx(np.mean(guesses[y >= 0] == y[y >= 0]))
    assert (found["labelled_rows"], found["rows"]) == (np.sum(y >= 0), 300)
    assert run(["evaluate", model, images, *options]) == 0, capsys.readouterr()
    assert "accuracy" not in json.loads(file.read_text())
    capsys.readouterr()
    assert run(["evaluate", model, images, "--condition", "y"]) == 2
    assert "leave --condition y out" in capsys.readouterr().err


def test_a_table_trains_on_a_column_of_texts(folder, tmp_path, capsys):
    path, output = str(folder / "table.csv"), tmp_path / "run"
    options = ["--labels", "kind", *M2, *OPTIONS, "--output", str(output)]
    assert run(["train", "--data", path, *options]) == 0, capsys.readouterr()
    vae = keras.saving.load_model(output / "vae.keras")
    assert vae.input_features == (2,) and vae.condition.names == ("cat", "dog")
    model = str(output / "vae.keras")
    assert run(["evaluate", model, path, "--labels", "kind", "--draws", "0"]) == 0
    assert "accuracy" in capsys.readouterr().out


def test_labels_go_with_another_condition(folder, tmp_path, capsys):
    options = ["--labels", "half", "--condition", "y", *OPTIONS, "--output", str(tmp_path / "run")]
    assert run(["train", "--data", str(folder / "images.npz"), *options]) == 0, capsys.readouterr()
    vae = keras.saving.load_model(tmp_path / "run" / "vae.keras")
    assert vae.condition.n == 3 and vae.has_classifier


def test_a_factor_of_the_sprites_is_a_label():
    rows = data.load("sprites", labels="shape", condition="scale", n_sprites=40)
    _, factors = kv.datasets.Sprites().sample(40, seed=0)
    np.testing.assert_array_equal(rows.labels, factors[:, 0])
    np.testing.assert_array_equal(rows.condition, factors[:, 1])


READ = {
    "integers": (np.array([0, -1, 2]), [0, -1, 2]),
    "one column": (np.array([[1], [-1]]), [1, -1]),
    "whole floats": (np.array([0.0, np.nan, -1.0]), [0, -1, -1]),
    "a column of integers": (np.array([3, None, -1], object), [3, -1, -1]),
    "texts": (np.array(["cat", "", "-1", "Cat"]), ["cat", None, None, "Cat"]),
    "a column of texts": (np.array(["cat", None], object), ["cat", None]),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_unknown(name):
    values, expected = READ[name]
    assert labels.read_labels("y", values).tolist() == expected


def test_classes_are_numbers_from_0_or_names():
    assert labels.classes_of("y", np.array([1, 0, -1])).names is None
    assert labels.classes_of("y", np.array([7, 3, -1])).names == (3, 7)
    assert labels.classes_of("y", np.array(["b", None, "a"], object)).names == ("a", "b")


def test_few_labels_are_a_quarter_of_each_batch():
    def rows(n_known):
        return np.where(np.arange(1_000) < n_known, 1, -1)

    assert labels.per_batch(None, 64) is None
    assert labels.per_batch(rows(100), 64) is None
    assert labels.per_batch(rows(99), 64) == 16
    assert labels.per_batch(rows(5), 64) == 5
    assert labels.per_batch(rows(99), 3) is None


WRONG = {
    "no labels": (M2, "--objective semi_supervised goes with --labels"),
    "condition": ((*M2, "--labels", "few", "--condition", "y"), "takes no --condition"),
    "the same": (("--labels", "y", "--condition", "y"), "both name 'y'"),
    "array": (("--labels", "z"), "no array 'z'"),
    "fractions": (("--labels", "fractions"), "fractions holds fractions"),
    "images": (("--labels", "x_train"), "one class for each row"),
    "none": (("--labels", "none"), "none has 0 classes"),
    "one": (("--labels", "one"), "one has 1 classes"),
    "sigma": (
        (*M2, "--labels", "few", "--likelihood", "gaussian", "--sigma", "optimal"),
        "SemiSupervised decodes each row once for each class",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line(folder, case, capsys):
    options, message = WRONG[case]
    source = str(folder / "images.npz")
    assert run(["train", "--output", str(folder / "run"), "--data", source, *options]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and message in error, error


def test_a_file_without_labels_and_a_model_without_a_classifier(folder, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.zeros((4, 2), "float32"))
    assert run(["train", "--data", str(tmp_path / "x.npy"), "--labels", "y"]) == 2
    assert "--labels names an array of a .npz file" in capsys.readouterr().err
    output, source = tmp_path / "run", str(folder / "images.npz")
    options = [*OPTIONS, "--epochs", "1", "--output", str(output)]
    assert run(["train", "--data", source, *options]) == 0, capsys.readouterr()
    capsys.readouterr()
    assert run(["evaluate", str(output / "vae.keras"), source, "--labels", "y"]) == 2
    assert "has no classifier; leave --labels y out" in capsys.readouterr().err
