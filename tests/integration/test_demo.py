"""What ./scripts/demo runs: `keras-vae train`, on images, in a process of its own."""

import csv
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

BACKEND = keras.backend.backend()
only_once = pytest.mark.skipif(BACKEND != "tensorflow", reason="does not depend on the backend")


def start(data, output, *options):
    command = [sys.executable, "-m", "keras_vae.cli", "train", "--data", data, "--output", output]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [*command, "--backend", BACKEND, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


@pytest.fixture
def data(tmp_path):
    images = np.random.default_rng(0).integers(256, size=(640, 12, 12), dtype="uint8")
    np.save(tmp_path / "images.npy", images)
    return tmp_path / "images.npy"


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tests/cli trains, without convolutions")
def test_demo_leaves_a_run_folder(data, tmp_path):
    output = tmp_path / "run"
    process = start(data, output, "--epochs", "2", "--latent-dim", "3", "--beta", "2")
    text, _ = process.communicate()
    assert process.returncode == 0, text
    expected = {"vae.keras", "config.toml", "history.csv", "logs", "reconstructions.png",
                "samples.png", "saved_model", "traversal.png"}  # fmt: skip
    assert {path.name for path in output.iterdir()} == expected
    with open(output / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    loss, reconstruction, kl = (
        float(rows[1][name]) for name in ("loss", "reconstruction_loss", "kl_loss")
    )
    assert loss == pytest.approx(reconstruction + 2.0 * kl, rel=1e-5)
    for name in ("reconstructions", "samples", "traversal"):
        assert np.asarray(Image.open(output / f"{name}.png")).std() > 5
    vae = keras.saving.load_model(output / "vae.keras")
    assert vae.sample(2).shape == (2, 12, 12, 1)
    assert list((output / "logs" / "validation").iterdir())


@only_once
def test_interrupted_demo_leaves_a_loadable_file(data, tmp_path):
    process = start(data, tmp_path / "run", "--epochs", "100000", "--batch-size", "16")
    for line in process.stdout:
        if line.lstrip().startswith("1/100000"):
            process.send_signal(signal.SIGINT)
            break
    text, _ = process.communicate()
    assert process.returncode == 0, text
    assert "Results" in text
    vae = keras.saving.load_model(tmp_path / "run" / "vae.keras")
    assert int(vae.optimizer.iterations) < 200


@only_once
def test_wrong_options_are_answered_without_a_traceback(data, tmp_path):
    process = start(data, tmp_path / "run", "--beta", "-1")  # others: tests/cli/test_app.py
    text, _ = process.communicate()
    assert process.returncode != 0
    assert "beta must be finite and not negative" in text
    assert "Traceback" not in text
