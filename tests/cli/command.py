"""How the tests run the command: in a process of its own, as a console script does."""

import os
import subprocess
import sys

import keras
import numpy as np

BACKEND = keras.backend.backend()
# What pip writes into bin/keras-vae.
SCRIPT = "import sys; sys.argv[0] = 'keras-vae'; from keras_vae.cli import main; main()"
# An import of None raises.
WITHOUT_KERAS = (
    f"import sys; sys.modules.update(keras=None, tensorflow=None, torch=None, jax=None); {SCRIPT}"
)


def start(*arguments, script=SCRIPT, **environment):
    """Starts the command; its output, of both kinds, is a pipe."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "100", **environment},
    )


def finish(*arguments, **kwargs):
    """Returns the exit status and the output of the command."""
    process = start(*arguments, **kwargs)
    text, _ = process.communicate(timeout=300)
    return process.returncode, text


def write_table(path):
    """Writes 200 rows of three columns that follow one number, a few values missing."""
    rng = np.random.default_rng(0)
    t = rng.normal(size=(200, 1))
    x = np.hstack([t, 1 - t, 2 * t]) + 0.1 * rng.normal(size=(200, 3))
    cells = np.where(rng.random(x.shape) < 0.02, "", np.char.mod("%.4f", x))
    lines = ["a,b,c", *(",".join(row) for row in cells)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
