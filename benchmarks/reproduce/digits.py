"""MNIST as the papers use it: binarized once, or anew in each epoch."""

import math
from pathlib import Path

import keras
import numpy as np


def intensities(path: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Returns training and test digits in [0, 1], `(60000, 784)` and `(10000, 784)`."""
    if path is None:
        (x, _), (x_test, _) = keras.datasets.mnist.load_data()
    else:
        with np.load(path) as arrays:
            x, x_test = arrays["x_train"], arrays["x_test"]
    return tuple((images.reshape(-1, 784) / 255).astype("float32") for images in (x, x_test))


def labels(path: Path | None) -> np.ndarray:
    """Returns the classes of the training digits, `(60000,)`."""
    if path is None:
        return keras.datasets.mnist.load_data()[0][1]
    with np.load(path) as arrays:
        return arrays["y_train"]


def binarized(intensity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns pixels in {0, 1}, each on with its intensity as the probability."""
    return (rng.random(intensity.shape, "float32") < intensity).astype("float32")


def static(path: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns 50,000 digits to train on, 10,000 to validate and 10,000 to test, binarized once.

    The draws are ours (seed 0), not those of Larochelle's files; both are draws of the same
    intensities, after Salakhutdinov & Murray, 2008.
    """
    rng = np.random.default_rng(0)
    x, x_test = (binarized(images, rng) for images in intensities(path))
    n = len(x) * 5 // 6
    return x[:n], x[n:], x_test


class Dynamic(keras.utils.PyDataset):
    """Digits that are shuffled and binarized anew in each epoch.

    Args:
        intensity: `(n, 784)` in [0, 1].
        batch_size: rows of a batch.
        seed: of order and pixels, together with the epoch and the number of the batch.
        first_epoch: to start with, where a killed run goes on.
    """

    def __init__(self, intensity: np.ndarray, batch_size: int, seed: int, first_epoch: int = 0):
        super().__init__()
        self.intensity, self.batch_size, self.seed = intensity, batch_size, seed
        self.start(first_epoch)

    def start(self, epoch: int) -> None:
        """Shuffles for an epoch."""
        self.epoch = epoch
        self.order = np.random.default_rng((self.seed, epoch)).permutation(len(self.intensity))

    def __len__(self) -> int:
        return math.ceil(len(self.intensity) / self.batch_size)

    def __getitem__(self, index: int) -> np.ndarray:
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        rng = np.random.default_rng((self.seed, self.epoch, index))
        return binarized(self.intensity[rows], rng)

    def on_epoch_end(self) -> None:
        self.start(self.epoch + 1)
