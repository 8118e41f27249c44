"""Callbacks that show a run in the terminal and end it at Ctrl-C. Imports Keras."""

import math
import signal
import time

import keras
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from keras_vae.cli import console

# What a row shows of the logs of an epoch: the column's name, the log, its digits.
COLUMNS = (
    ("loss", "loss", 2),
    ("reconstruction", "reconstruction_loss", 2),
    ("KL", "kl_loss", 2),
    ("val loss", "val_loss", 2),
    ("active", "active_units", 0),
)


class EpochRows(keras.callbacks.Callback):
    """Prints a row for each epoch, and a bar below them while one is under way."""

    takes_groups_of_batches = True  # so that `fit` keeps its speed

    def __init__(self):
        super().__init__()
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            console=console.out,
            transient=True,
            disable=not console.out.is_terminal,
        )
        self.task = self.progress.add_task("starting", total=None)

    def on_train_begin(self, logs=None) -> None:
        header = "".join(f"{name:>{_width(name)}}" for name, _, _ in COLUMNS)
        console.out.print(f"[bold]{'epoch':>9}{header}{'seconds':>9}[/]")
        self.progress.start()

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.begin = time.monotonic()
        name = f"{epoch + 1}/{self.params['epochs']}"
        self.name = f"{name:>9}"
        self.progress.reset(self.task, total=self.params["steps"], description=f"epoch {name}")

    def on_train_batch_end(self, batch, logs=None) -> None:
        self.progress.update(self.task, completed=batch + 1)

    def on_epoch_end(self, epoch, logs=None) -> None:
        cells = (_cell(name, (logs or {}).get(log), digits) for name, log, digits in COLUMNS)
        seconds = f"{time.monotonic() - self.begin:>9.1f}"
        self.progress.console.print(self.name + "".join(cells) + seconds)

    def on_train_end(self, logs=None) -> None:
        self.close()

    def close(self) -> None:
        """Takes the bar away."""
        self.progress.stop()


def _width(name):
    return max(10, len(name) + 2)


def _cell(name, value, digits):
    text = "-" if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"
    return f"{text:>{_width(name)}}"


class StopAtInterrupt(keras.callbacks.Callback):
    """Ends the training after the batch under way at Ctrl-C; a second one leaves at once.

    Attributes:
        stopped: whether it did.
    """

    takes_groups_of_batches = True

    def __enter__(self):
        self.stopped = False
        self.before = signal.signal(signal.SIGINT, self._stop)
        return self

    def __exit__(self, *_):
        signal.signal(signal.SIGINT, self.before)

    def _stop(self, signum, frame):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.stopped = True
        print("Stopping after this batch; Ctrl-C again to leave at once.", flush=True)
        if self.model is not None:
            self.model.stop_training = True

    def on_train_batch_end(self, batch, logs=None) -> None:
        if self.stopped:  # also where Ctrl-C came before the first batch
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.on_train_batch_end(epoch)
