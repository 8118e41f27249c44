"""Training that goes on where it was killed."""

import json
import math
from pathlib import Path

import keras
from results import Stopwatch


def train(vae, x, folder: Path, epochs: int, callbacks=(), **kwargs) -> None:
    """Trains to `epochs`; after a kill, from the last whole epoch, to the same weights.

    Args:
        vae: a compiled VAE.
        x: what `fit` takes.
        folder: of the case, for Keras's backup.
        epochs: in all.
        callbacks: further ones.
        **kwargs: for `fit`.
    """
    backup = keras.callbacks.BackupAndRestore(folder / "backup", delete_checkpoint=False)
    callbacks = [*callbacks, Stopwatch(folder), backup]
    vae.fit(x, epochs=epochs, callbacks=callbacks, verbose=0, **kwargs)


class Best(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the least bound on the validation set, across kills.

    Args:
        folder: of the case.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self._weights, self._value = folder / "best.weights.h5", folder / "best"
        self._least = float(self._value.read_text()) if self._value.exists() else math.inf

    def on_epoch_end(self, epoch, logs=None) -> None:
        if logs["val_negative_elbo"] < self._least:
            self._least = logs["val_negative_elbo"]
            self.model.save_weights(self._weights)
            self._value.write_text(str(self._least))

    def restore(self, vae) -> None:
        """Gives a model these weights."""
        vae.load_weights(self._weights)


def epochs_done(folder: Path) -> int:
    """Returns how many epochs a killed run has behind it."""
    path = folder / "backup" / "training_metadata.json"
    return json.loads(path.read_text())["epoch"] if path.exists() else 0


def stepwise(rates: dict[int, float], steps_per_epoch: int):
    """Returns the learning rate that is `rates[n]` from epoch n on."""
    starts = sorted(rates)
    boundaries = [start * steps_per_epoch - 1 for start in starts[1:]]  # Keras: while step <= it
    values = [rates[start] for start in starts]
    if not boundaries:
        return values[0]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
