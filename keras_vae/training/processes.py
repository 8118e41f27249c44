"""What `fit` over several processes needs beside its steps: one beginning, files written once."""

import copy

import keras

from keras_vae import backend
from keras_vae.backend.keras_internals import initial_epoch, only_restores, set_initial_epoch


class FromChief(keras.callbacks.Callback):
    """Lets all processes begin with what the first one has, or has read from a checkpoint."""

    def on_train_begin(self, logs=None) -> None:
        vae = self.model
        backend.as_in_chief(vae, [*vae.variables, *vae.optimizer.variables])
        own = [initial_epoch(vae), *vae.row_order.state.tolist()]
        epoch, *order = backend.of_all_processes(vae, own)[0].tolist()
        set_initial_epoch(vae, epoch)
        vae.row_order.state = order


def with_chief(vae, callbacks) -> list | keras.callbacks.CallbackList | None:
    """Returns the callbacks of a `fit` that several processes run, as this one is to have them.

    Raises:
        ValueError: if the processes cannot train together.
    """
    backend.check_can_share(vae)
    number, count = backend.process(vae)
    if count == 1:
        return callbacks
    if isinstance(callbacks, keras.callbacks.CallbackList):
        raise ValueError("Over several processes, fit takes a list of callbacks.")
    callbacks = keras.tree.flatten(callbacks or [])
    if number > 0:
        callbacks = [_of_others(callback) for callback in callbacks]
    # Last, after one that reads a checkpoint.
    return [*callbacks, FromChief()]


def _of_others(callback):
    """Returns the callback of a process whose files nobody keeps."""
    if isinstance(callback, keras.callbacks.BackupAndRestore):
        callback = copy.copy(callback)
        only_restores(callback)
    return callback
