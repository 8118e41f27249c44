"""The callbacks of a run whose calls make many steps each."""

import keras

from keras_vae.backend.keras_internals import traces_batches

_ENDS = ("begin", "end")


class StepCallbacks(keras.callbacks.CallbackList):
    """The callbacks of a run, told the numbers of steps, not of calls.

    Args:
        callbacks: the user's callbacks.
        train_loop: the loop that makes the steps; for its `n_seen`, how many of them it made in
            this epoch, and `raise_error`.
        test_loop: that of validation, `None` where Keras's own runs.
        **kwargs: as for `keras.callbacks.CallbackList`.
    """

    def __init__(self, callbacks, train_loop, test_loop=None, **kwargs):
        self.train_loop, self.test_loop = train_loop, test_loop
        super().__init__(callbacks, **kwargs)

    def on_train_batch_begin(self, batch, logs=None) -> None:
        super().on_train_batch_begin(batch and self.train_loop.n_seen, logs)

    def on_train_batch_end(self, batch, logs=None) -> None:
        super().on_train_batch_end(self.train_loop.n_seen - 1, logs)
        self.train_loop.raise_error()  # now that what was read before it is trained on

    def on_test_batch_end(self, batch, logs=None) -> None:
        if self.test_loop is None:
            return super().on_test_batch_end(batch, logs)
        super().on_test_batch_end(self.test_loop.n_seen - 1, logs)
        self.test_loop.raise_error()
        return None


def needs_each_batch(callbacks) -> bool:
    """Returns whether a callback does something before or after each batch."""
    return any(_needs_each_batch(c) for c in keras.tree.flatten(callbacks or []))


def _needs_each_batch(callback):
    if getattr(callback, "takes_groups_of_batches", False):
        return False
    for name in (f"on_{when}batch_{end}" for when in ("", "train_", "test_") for end in _ENDS):
        method = getattr(callback, name)
        if not method.__module__.startswith("keras."):
            return True
        changed = getattr(method, "__func__", method) is not getattr(keras.callbacks.Callback, name)
        if changed and not _is_idle_on_batches(callback):
            return True
    return False


def _is_idle_on_batches(callback):
    """Keras's own callbacks that act on batches only where they are told to."""
    if isinstance(callback, keras.callbacks.TensorBoard):
        by_batch = callback.update_freq != "epoch" or callback.write_steps_per_second
        return not by_batch and not traces_batches(callback)
    if isinstance(callback, (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore)):
        return callback.save_freq == "epoch"
    return isinstance(callback, keras.callbacks.ProgbarLogger)
