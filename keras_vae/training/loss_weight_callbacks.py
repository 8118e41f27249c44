"""What `fit` does for weights of the loss that are set while it runs."""

import keras

from keras_vae import backend
from keras_vae.objectives import loss_weight


class LogsAssigned(keras.callbacks.Callback):
    """Logs each weight of the loss that was assigned, at its value in the epoch."""

    # Tells `fit` that this callback need not see each batch.
    takes_groups_of_batches = True

    def _numbers(self):
        weights = {**self.model.objective.logged_weights(), **loss_weight.weights(self.model)}
        return {name: value for name, value in weights.items() if isinstance(value, float)}

    def on_train_begin(self, logs=None) -> None:
        self.at_first = self._numbers()

    def on_epoch_end(self, epoch, logs=None) -> None:
        assigned = self.model.objective.logged_as_assigned() | loss_weight.assigned(self.model)
        history = self.model.history
        for name, value in self._numbers().items():
            if name in assigned:
                # The epochs before it was first assigned.
                history.history.setdefault(name, [self.at_first[name]] * len(history.epoch))
                logs[name] = value


class KeepsAssigned(keras.callbacks.Callback):
    """Keeps what other callbacks assign to variables of the user, which JAX would not see.

    Args:
        variables: weights of the loss.
    """

    takes_groups_of_batches = True

    def __init__(self, variables):
        super().__init__()
        self.variables = variables

    def on_train_batch_begin(self, batch, logs=None) -> None:
        self._keep()

    def on_train_batch_end(self, batch, logs=None) -> None:
        self._keep()

    def _keep(self):
        # Not `self.model`, which would bring the old values back.
        backend.keep_assigned(self._model, self.variables)


def with_loss_weights(vae, callbacks) -> list:
    """Returns the callbacks of a run and, around them, those of the loss's weights."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    held = [v for v in vae.objective.logged_weights().values() if loss_weight.is_variable(v)]
    last = [KeepsAssigned(held)] if held else []
    return [LogsAssigned(), *keras.tree.flatten(callbacks or []), *last]
