"""When a likelihood adapts what follows from the data rather than from a gradient."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np


@contextlib.contextmanager
def during(training: bool, forward, objective, sample_weight) -> Iterator[None]:
    """Lets the likelihood adapt to a training batch, for as long as its loss is computed.

    Args:
        training: whether this is a training step; otherwise nothing is done.
        forward: the `keras_vae.objectives.Forward` of the batch.
        objective: the objective, whose bound several draws of z are to make large.
        sample_weight: weights of the rows, `(batch,)`.
    """
    if not training:
        yield
        return
    likelihood, bound = forward.likelihood, None
    if likelihood.follows_epochs:
        bound = objective.bound_given(forward)
    likelihood.adapt(forward.target, forward.params, sample_weight=sample_weight, bound=bound)
    yield
    likelihood.end_step()


def look_at(likelihood, target, sample_weight, is_x: bool) -> None:
    """Shows the likelihood the rows to be trained on that count, as NumPy arrays.

    Args:
        likelihood: the likelihood.
        target: rows of the target.
        sample_weight: one weight per row, or `None`.
        is_x: whether they are those of x.
    """
    if sample_weight is not None:
        target = target[np.ravel(keras.ops.convert_to_numpy(sample_weight)) > 0]
    if len(target):
        likelihood.look_at(target, is_x)


class Epochs(keras.callbacks.Callback):
    """Tells the likelihood of the epochs of `fit`."""

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.model.likelihood.begin_epoch()

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.model.likelihood.end_epoch()


def with_epochs(vae, callbacks) -> list | keras.callbacks.CallbackList | None:
    """Returns the callbacks of a `fit`, with `Epochs` first if the likelihood follows them."""
    if not vae.likelihood.follows_epochs:
        return callbacks
    epochs = Epochs()
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        return [epochs, *keras.tree.flatten(callbacks or [])]
    if not any(isinstance(callback, Epochs) for callback in callbacks.callbacks):
        epochs.set_model(vae)
        callbacks.callbacks.insert(0, epochs)
    return callbacks
