import csv
import re
import shutil
import tomllib

import keras
import numpy as np
import pytest
from command import BACKEND, finish
from helpers import on_one_backend

import keras_vae as kv
from keras_vae.cli.app import run
from keras_vae.cli.data import load_csv
from keras_vae.cli.model import make_vae, resolve
from keras_vae.cli.run_config import RunConfig


def test_a_run_leaves_the_model_its_config_and_its_logs(trained, table):
    folder, text = trained
    names = {path.name for path in folder.iterdir()}
    assert names == {"vae.keras", "config.toml", "history.csv", "logs"}
    config = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
    assert config["data"] == str(table)
    assert config["backend"] == BACKEND
    assert (config["likelihood"], config["sigma"], config["beta"]) == ("gaussian", "optimal", 0.5)
    vae = keras.saving.load_model(folder / "vae.keras")
    assert vae.latent_dim == 2
    assert vae.input_features == (3,)
    assert np.isfinite(vae.score(load_csv(table).x)).all()  # with values missing
    with open(folder / "history.csv") as file:
        last = list(csv.DictReader(file))[-1]
    shown = re.search(r"negative ELBO +(-?[\d.,]+)", text)[1]
    assert float(shown) == pytest.approx(float(last["val_negative_elbo"]), abs=0.006)
    assert "Training on 180 samples of shape (3,), 20 more to validate" in text


@on_one_backend
def test_its_config_repeats_a_run_to_the_same_logs(trained, tmp_path):
    folder, _ = trained
    options = ("train", "--no-saved-model", "--config")
    shutil.copy(folder / "config.toml", tmp_path / "run.toml")
    status, text = finish(*options, tmp_path / "run.toml", "--output", tmp_path / "second")
    assert status == 0, text
    for name in ("history.csv", "config.toml"):
        assert (tmp_path / "second" / name).read_text() == (folder / name).read_text()


@on_one_backend
def test_options_override_the_config(trained, tmp_path, capsys):
    config = str(trained[0] / "config.toml")
    output = tmp_path / "run"
    options = ["--epochs", "1", "--seed", "3", "--no-saved-model", "--output", str(output)]
    assert run(["train", "--config", config, *options]) == 0, capsys.readouterr()
    found = tomllib.loads((output / "config.toml").read_text(encoding="utf-8"))
    expected = tomllib.loads((trained[0] / "config.toml").read_text(encoding="utf-8"))
    assert found == {**expected, "epochs": 1, "seed": 3}
    with open(output / "history.csv") as file:
        assert len(list(csv.DictReader(file))) == 1


PARTS = [
    (option, name)
    for option, registry in (
        ("likelihood", kv.likelihoods),
        ("prior", kv.priors),
        ("posterior", kv.posteriors),
        ("objective", kv.objectives),
    )
    for name in registry.NAMES
]
# With what else a part goes.
NEEDS = {"uniform_on_sphere": {"posterior": "von_mises_fisher"},
         "point": {"objective": "rae"}, "rae": {"posterior": "point"},
         "von_mises_fisher": {"prior": "uniform_on_sphere"}}  # fmt: skip


@on_one_backend
@pytest.mark.parametrize(("option", "name"), PARTS)
def test_every_part_is_had_by_its_name(option, name):
    x = np.random.default_rng(0).integers(2, size=(8, 4, 4, 3)).astype("float32")
    config = resolve(RunConfig(layers=(4,), **{option: name}, **NEEDS.get(name, {})), x)
    conditional = name.startswith("conditional")
    condition = kv.conditions.OneHot(3) if conditional else None
    vae = make_vae(config, x, condition)
    assert vae.sample(2, condition=1 if conditional else None).shape == (2, 4, 4, 3)
    part = vae.encoder.head if option == "posterior" else getattr(vae, option)
    registry = {"likelihood": kv.likelihoods, "prior": kv.priors, "posterior": kv.posteriors,
                "objective": kv.objectives}[option]  # fmt: skip
    assert type(part) is registry.NAMES[name]


@on_one_backend
def test_the_help_names_every_part(capsys):
    assert run(["train", "--help"]) == 0
    text = capsys.readouterr().out
    for _, name in PARTS:
        assert name in text


@on_one_backend
def test_networks_and_likelihood_follow_the_data():
    rng = np.random.default_rng(0)
    images = rng.random((4, 48, 48, 1)).astype("float32")
    config = resolve(RunConfig(), images)
    assert (config.network, config.layers) == ("conv", (32, 32, 64, 64))
    assert (config.likelihood, config.beta) == ("bernoulli", 4.0)
    config = resolve(RunConfig(objective="dip_vae"), rng.normal(size=(4, 5)).astype("float32"))
    assert (config.network, config.layers) == ("dense", (256, 256))
    assert (config.likelihood, config.beta) == ("gaussian", 1.0)
    assert resolve(RunConfig(objective="iwae"), images).beta is None
