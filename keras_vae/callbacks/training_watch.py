"""TrainingWatch: says when a VAE collapses or a term is not finite, and what to try."""

import keras
import numpy as np
from keras import ops

from keras_vae import evaluation
from keras_vae.callbacks.watched_rows import WatchedRows


class TrainingWatch(keras.callbacks.Callback):
    """Warns of a collapsed posterior, and stops at a term that is not finite.

    A posterior is called collapsed when at most `min_active` latent dimensions
    vary with x: the decoder does without the code. It is said once, in one line,
    and `active_units` is in the logs of each epoch. When a term of the loss is
    NaN or infinite, one line says which and in which batches, weights and optimizer
    go back to the end of the last good epoch, and the training ends.

    `fit` on arrays keeps its speed: batches are looked at in groups, so that
    the line names a range of them. With Keras's own loop it names the batch.

    Args:
        x: data of shape `(n, *features)`, in any form that `fit` takes, to count
            active units on, also a dict of `x` and `condition`; the first 512 rows are used.
            Without it only finiteness is watched.
        patience: epochs before a collapse is said, as a warm-up of β may begin in one.
        min_active: so many active units or fewer are a collapse.
        condition: what is given beside x, where the model has a condition, one for all rows
            or one for each; a stream brings its own.

    Attributes:
        messages: the lines that were said.
    """

    # Tells `fit` that this callback need not see each batch.
    takes_groups_of_batches = True

    def __init__(self, x=None, patience: int = 3, min_active: int = 0, condition=None):
        super().__init__()
        self.rows = None if x is None else WatchedRows(x, condition, 512)
        self.x = None if self.rows is None else self.rows.x
        self.patience = patience
        self.min_active = min_active
        self.messages: list[str] = []

    def on_train_begin(self, logs=None) -> None:
        self.messages.clear()
        self.epoch, self.collapsed_epochs = 0, 0
        self.good_state: list[np.ndarray] = []

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.epoch, self.last_good_batch = epoch, -1
        if not self.good_state:
            self.good_state = self._state()

    def on_train_batch_end(self, batch, logs=None) -> None:
        if self.model.stop_training:
            return
        bad = [name for name, value in (logs or {}).items() if not np.isfinite(float(value))]
        if not bad:
            self.last_good_batch = batch
            return
        # The loss is the sum of the terms, and tells the least.
        terms = ", ".join([name for name in bad if name != "loss"] or bad)
        first = self.last_good_batch + 1
        batches = f"batch {batch}" if first >= batch else f"batches {first} to {batch}"
        for variable, value in zip(self._variables(), self.good_state, strict=True):
            variable.assign(value)
        self.model.stop_training = True
        self._say(
            f"Epoch {self.epoch + 1}, {batches}: {terms} is not finite. Weights and optimizer are "
            "again those of the last good epoch. Try a smaller learning rate, clipnorm=1.0 in the "
            "optimizer, or data scaled to the likelihood's range."
        )

    def on_epoch_end(self, epoch, logs=None) -> None:
        if self.messages and self.model.stop_training:
            return
        self.good_state = self._state()
        if self.rows is None:
            return
        given = self.rows.condition_for(self.model)
        active = evaluation.active_units(self.model, self.x, condition=given)
        if logs is not None:
            logs["active_units"] = active
        self.collapsed_epochs = self.collapsed_epochs + 1 if active <= self.min_active else 0
        if self.collapsed_epochs == self.patience:
            self._say(
                f"Epoch {epoch + 1}: the posterior has collapsed, {active} of "
                f"{self.model.latent_dim} latent dimensions are active. Try a smaller β, a β that "
                "grows (beta=keras.optimizers.schedules.PolynomialDecay(0.0, steps, 1.0)), "
                'objective="free_bits", or a weaker decoder.'
            )

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def _state(self):
        return [ops.convert_to_numpy(variable) for variable in self._variables()]

    def _say(self, message):
        self.messages.append(message)
        print(f"\n{message}")
