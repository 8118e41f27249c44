"""What a tape takes for granted of a model: numbers, functions and places in memory."""

import keras

from keras_vae.backend.keras_internals import stored_value
from keras_vae.backend.torch_tape.python_state import SCALARS, parts
from keras_vae.backend.torch_tape.state import variables

# Which `fit` sets anew, and steps read nowhere.
_OF_FIT = (
    "_called", "_eval_epoch_iterator", "history", "predict_function", "stop_evaluating",
    "stop_training", "test_function", "train_function",
)  # fmt: skip


def marks(model: keras.Model) -> list:
    """Returns what a step reads from Python, of all layers and the optimizer.

    A tape has the values of when it was recorded; where these are others now, it is
    recorded anew. What variables hold is not among them, as a tape reads it in place.
    """
    found = [(v.trainable, stored_value(v).data_ptr()) for v in variables(model)]
    for part in parts(model):
        found += _attributes(part, deeper=True)
    return found


def _attributes(part, deeper=False):
    found = []
    for name, value in vars(part).items():
        if name in _OF_FIT:
            continue
        if isinstance(value, SCALARS):
            found.append((name, value))
        elif callable(value):
            found.append((name, value))
            # Such as the strength of a weight penalty.
            if deeper and not isinstance(value, keras.layers.Layer) and hasattr(value, "__dict__"):
                found += _attributes(value)
    return found
