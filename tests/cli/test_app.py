"""What the command answers: help without Keras, and one line where something is wrong."""

import subprocess
import sys

import numpy as np
import pytest
from command import BACKEND, WITHOUT_KERAS, finish
from helpers import on_one_backend

from keras_vae.cli.app import run
from keras_vae.version import __version__

pytestmark = on_one_backend
OTHER = "jax"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("flat.npy", np.zeros(5))
    np.save("numbers.npy", np.random.default_rng(0).normal(size=(40, 3)).astype("float32"))
    np.save("objects.npy", np.array([{}, {}], dtype=object))
    np.savez("two.npz", a=np.zeros((4, 2)), b=np.zeros((4, 2)))
    (tmp_path / "broken.npz").write_text("hello")
    (tmp_path / "text.csv").write_text("a,kind\n1,cat\n2,dog\n")
    (tmp_path / "ragged.csv").write_text("1,2\n3\n")
    (tmp_path / "table.parquet").write_text("")
    (tmp_path / "wrong.keras").write_text("hello")
    (tmp_path / "wrong.toml").write_text("epochs = 'ten'")
    (tmp_path / "unknown.toml").write_text("epoch = 10")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "empty").mkdir()
    return tmp_path


TRAIN = ("train", "--output", "run", "--data")
NUMBERS = (*TRAIN, "numbers.npy")
WRONG = {
    "command": (("trian",), "Did you mean 'train'? See keras-vae --help"),
    "option": (("train", "--epoch", "3"), "--epochs"),
    "number": (("train", "--epochs", "ten"), "--epochs"),
    "count": ((*NUMBERS, "--epochs", "0"), "epochs must be a whole number of at least 1"),
    "argument": (("evaluate", "model.keras"), "See keras-vae evaluate --help"),
    "no data": ((*TRAIN, "nowhere"), "no file or folder 'nowhere'. Give a .npy, .npz, .csv"),
    "kind of file": ((*TRAIN, "table.parquet"), "table.parquet is no .npy, .npz or .csv file"),
    "shape": ((*TRAIN, "flat.npy"), "flat.npy has the shape (5,); expected rows, (n, *features)"),
    "objects": ((*TRAIN, "objects.npy"), "objects.npy: "),
    "which array": ((*TRAIN, "two.npz"), "['a', 'b']"),
    "array": ((*NUMBERS, "--array", "a"), "--array names an array of a .npz file"),
    "no archive": ((*TRAIN, "broken.npz"), "broken.npz: "),
    "text": ((*TRAIN, "text.csv"), "row 2: 'kind' is 'cat', which is no number"),
    "ragged": ((*TRAIN, "ragged.csv"), "row 2 has 1 cells, not 2"),
    "no images": ((*TRAIN, "empty"), "empty holds no images"),
    "likelihood": ((*NUMBERS, "--likelihood", "x"), "Known names: 'bernoulli', 'categorical'"),
    "prior": ((*NUMBERS, "--prior", "x"), "Known names: 'conditional_mixture'"),
    "posterior": ((*NUMBERS, "--posterior", "x"), "Known names: 'diagonal_normal'"),
    "objective": ((*NUMBERS, "--objective", "x"), "Known names: 'beta_tc_vae'"),
    "beta": ((*NUMBERS, "--beta", "-1"), "beta must be finite and not negative"),
    "no beta": ((*NUMBERS, "--objective", "iwae", "--beta", "1"), "iwae has no beta"),
    "sigma": ((*NUMBERS, "--sigma", "x"), "sigma must be a positive number or one of"),
    "no sigma": ((*NUMBERS, "--likelihood", "laplace", "--sigma", "1"), "--sigma goes with"),
    "network": ((*NUMBERS, "--network", "conv"), "network=conv takes images"),
    "layers": ((*NUMBERS, "--layers", "a,b"), "layers must be whole numbers, such as 32,64"),
    "pair": ((*NUMBERS, "--posterior", "von_mises_fisher"), "uniform_on_sphere"),
    "support": ((*NUMBERS, "--likelihood", "bernoulli"), "needs values in [0, 1]"),
    "backend": ((*NUMBERS, "--backend", "theano"), "Known: tensorflow, jax, torch"),
    "running backend": ((*NUMBERS, "--backend", OTHER), f"Keras runs on {BACKEND} already"),
    "config": (("train", "--config", "nowhere.toml"), "no file 'nowhere.toml'"),
    "value": (("train", "--config", "wrong.toml"), "wrong.toml: epochs must be a whole number"),
    "name": (("train", "--config", "unknown.toml"), "unknown option 'epoch'. Known: data, array"),
    "json": (("train", "--config", "broken.json"), "broken.json is no JSON"),
    "model": (("evaluate", "nowhere.keras", "numbers.npy"), "no file 'nowhere.keras'"),
    "no model": (("evaluate", "wrong.keras", "numbers.npy"), "wrong.keras"),
    "export": (("export", "nowhere.keras", "out"), "no file 'nowhere.keras'"),
    "serve": (("serve", "nowhere"), "no file or folder 'nowhere'; give what export wrote"),
    "port": (("serve", "empty", "--port", "99999"), "65535"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line(folder, capsys, case):
    arguments, message = WRONG[case]
    assert run(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert len(err.splitlines()) == 1
    assert err.startswith("keras-vae: ")
    assert message in err
    assert "Traceback" not in out + err


def test_traceback_is_shown_where_it_is_asked_for(folder):
    with pytest.raises(FileNotFoundError):
        run(["--traceback", *TRAIN, "nowhere"])


@pytest.mark.parametrize(
    "command", [(), ("train",), ("evaluate",), ("impute",), ("export",), ("serve",)]
)
def test_each_command_has_examples(command, capsys):
    assert run([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.count(" keras-vae ") > 2


def test_help_and_version_need_no_keras():
    status, text = finish("--help", script=WITHOUT_KERAS)
    assert status == 0 and "keras-vae train" in text
    status, text = finish("--version", script=WITHOUT_KERAS)
    assert (status, text) == (0, f"keras_vae {__version__}\n")


def test_the_module_is_the_command_too():
    command = [sys.executable, "-m", "keras_vae.cli", "serve", "nowhere"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "no file or folder 'nowhere'" in result.stderr


def test_the_package_imports_nothing_of_the_command():
    script = "import sys, keras_vae; keras_vae.VAE; print('typer' in sys.modules)"
    status, text = finish(script=script, KERAS_BACKEND="jax")  # the quickest to import
    assert (status, text.splitlines()[-1]) == (0, "False"), text
