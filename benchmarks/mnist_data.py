"""MNIST from a file, or as Keras downloads it."""

from pathlib import Path

import keras
import numpy as np


def load(path: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns images, `(n, 28, 28)` in 0 to 255, and classes: to train on, then to test."""
    if path is None:
        (x, y), (x_test, y_test) = keras.datasets.mnist.load_data()
        return x, y, x_test, y_test
    with np.load(path) as arrays:
        return tuple(arrays[name] for name in ("x_train", "y_train", "x_test", "y_test"))
