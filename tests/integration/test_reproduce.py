"""The command that runs published tables again: it goes on where it was killed."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from helpers import on_one_backend

pytestmark = on_one_backend
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "reproduce"
EPOCHS = 15


@pytest.fixture(scope="module")
def digits_file(tmp_path_factory):
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("digits") / "mnist.npz"
    images = {"x_train": 240, "x_test": 40}
    np.savez(
        path,
        y_train=np.arange(240) % 10,
        **{k: rng.integers(0, 256, (n, 28, 28), "uint8") for k, n in images.items()},
    )
    return path


@pytest.fixture
def parts(monkeypatch):
    """Makes the files of the command importable, as they are when it runs."""
    monkeypatch.syspath_prepend(str(BENCHMARK))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(BENCHMARK) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def command(digits_file, out, *arguments):
    given = ["--cases", "400 ReLU", "--seeds", "1", "--length", str(EPOCHS), "--draws", "3"]
    return [sys.executable, str(BENCHMARK), "static_mnist", *given, *arguments,
            "--data", str(digits_file), "--out", str(out)]  # fmt: skip


def found(out):
    (path,) = out.glob("static_mnist/*/*.json")
    return json.loads(path.read_text())


def test_a_killed_run_goes_on_to_the_same_figures(digits_file, tmp_path):
    whole = subprocess.run(
        command(digits_file, tmp_path / "whole"), capture_output=True, text=True, check=True
    )
    assert "| 400 ReLU | 89.78 |" in whole.stdout
    killed = subprocess.Popen(command(digits_file, tmp_path / "killed"), start_new_session=True)
    while not (progress := list(tmp_path.glob("killed/*/*/*/backup/training_metadata.json"))):
        assert killed.poll() is None
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not list(tmp_path.glob("killed/*/*/*.json"))
    assert json.loads(progress[0].read_text())["epoch"] < EPOCHS
    again = subprocess.run(
        command(digits_file, tmp_path / "killed"), capture_output=True, text=True, check=True
    )
    figures = found(tmp_path / "killed")["figures"]
    for name, value in found(tmp_path / "whole")["figures"].items():
        # Noise of the evaluations goes on where the training's was, which is not kept.
        bound = 0.02 if name == "negative_elbo" else 1e-5
        assert figures[name] == pytest.approx(value, rel=bound), again.stdout


def test_what_is_finished_is_printed_without_training(digits_file, tmp_path):
    runs = [
        subprocess.run(
            command(digits_file, tmp_path, "--length", "1"),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert runs[0].partition("static_mnist:")[2] == runs[1].partition("static_mnist:")[2]


def test_an_unknown_case_is_named(digits_file, tmp_path):
    told = subprocess.run(
        command(digits_file, tmp_path, "--cases", "500 ReLU"), capture_output=True, text=True
    )
    assert told.returncode == 1
    assert "500 ReLU" in told.stderr and "gated 300-300" in told.stderr


def test_numpy_judges_a_linear_model_as_its_closed_form(parts):
    """A decoder that ignores z: then log p(x) is the Bernoulli's, and the bound less a KL."""
    independent = parts("independent")
    rng = np.random.default_rng(1)
    x = rng.integers(0, 2, (5, 784)).astype("float32")
    logits = rng.normal(size=784).astype("float32")
    mean, log_var = rng.normal(size=(2, 40)).astype("float32") * 0.3
    zeros = {n: np.zeros(n, "float32") for n in ((784, 400), 400, (400, 40), (40, 400), (400, 784))}
    weights = [zeros[784, 400], zeros[400], zeros[400, 40], mean, zeros[400, 40], log_var,
               zeros[40, 400], zeros[400], zeros[400, 784], logits]  # fmt: skip
    log_p = (x * logits - np.logaddexp(0, logits)).sum(axis=1).mean()
    kl = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var).sum()
    nll, negative_elbo = independent.of_weights(weights, x, 20_000)
    assert nll == pytest.approx(-log_p, abs=0.1)
    assert negative_elbo == pytest.approx(-log_p + kl, abs=0.1)


def test_rates_change_at_the_epochs_that_are_said(parts):
    rate = parts("training").stepwise({0: 1.0, 2: 0.5, 3: 0.25}, steps_per_epoch=10)
    assert [float(rate(step)) for step in (0, 19, 20, 29, 30)] == [1.0, 1.0, 0.5, 0.5, 0.25]


def test_digits_drawn_anew_go_on_with_the_epoch(parts):
    digits = parts("digits")
    intensity = np.random.default_rng(0).random((50, 784), "float32")
    through = digits.Dynamic(intensity, 20, seed=3)
    assert len(through) == 3 and len(through[2]) == 10
    through.on_epoch_end()
    resumed = digits.Dynamic(intensity, 20, seed=3, first_epoch=1)
    np.testing.assert_array_equal(through[1], resumed[1])
    assert not np.array_equal(resumed[1], digits.Dynamic(intensity, 20, seed=3)[1])


def test_every_row_says_what_was_published_for_its_own_cases(parts):
    spec = importlib.util.spec_from_file_location("reproduce_main", BENCHMARK / "__main__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, kind in module.ROWS.items():
        row = kind(Namespace(length=kind.length, draws=None, data=None))
        for column in kind.columns.values():
            assert set(column.published) <= set(row.cases()), name


def test_order_counts_seeds(parts):
    in_order = parts("row").in_order
    assert in_order(np.array([3, 1]), np.array([2, 2]), np.array([1, 3])) == "1 of 2 seeds"
