"""Training that goes on where it was killed."""

import json
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
    watch = [] if Stopwatch.current is None else [Stopwatch.current]
    vae.fit(x, epochs=epochs, callbacks=[*callbacks, *watch, backup], verbose=0, **kwargs)


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
