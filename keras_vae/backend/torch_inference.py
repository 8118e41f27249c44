"""Inference on torch: a function that is called again and again on one shape becomes a tape."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import torch
from keras import ops

from keras_vae.backend.torch_tape.draws import Draws
from keras_vae.backend.torch_tape.errors import CannotRecordError
from keras_vae.backend.torch_tape.graph import base
from keras_vae.backend.torch_tape.guards import Guards
from keras_vae.backend.torch_tape.marks import marks
from keras_vae.backend.torch_tape.record import graph_of, shorten
from keras_vae.backend.torch_tape.source import as_function

# A recording takes as long as it saves in so many calls.
_CALLS_TO_EARN = 30


class _Recorded(NamedTuple):
    """A tape, and what it takes for granted: its inputs' form, and what it read from Python."""

    function: Callable
    form: list
    marks: list


class RecordedInference:
    """A function of the model, from NumPy arrays to one, which writes no state and may draw none.

    Args:
        function: of tensors, to a tensor.
        model: the model that it is of.
    """

    def __init__(self, function: Callable, model: keras.Model):
        self.function, self.model = function, model
        self.recorded: _Recorded | None = None
        self.form: list = []  # of the last call
        self.n_calls = 0  # in a row, of that form
        self.failure: Exception | None = None  # why the last recording is no tape

    @torch.no_grad()
    def __call__(self, *arrays) -> np.ndarray:
        inputs = [ops.convert_to_tensor(array) for array in arrays]
        form = [(x.shape, x.dtype, x.stride()) for x in inputs]
        recorded = self.recorded  # once, as other threads may set it
        if recorded is not None and recorded.form == form:
            if recorded.marks == marks(self.model):
                return ops.convert_to_numpy(recorded.function(*inputs)[0])
            self.recorded, self.n_calls = None, 0
        output = self.function(*inputs)
        self.n_calls = self.n_calls + 1 if form == self.form else 1
        self.form = form
        if self.n_calls == _CALLS_TO_EARN:
            self._record(inputs, form, output)
        return ops.convert_to_numpy(output)

    def _record(self, inputs, form, output):
        before = marks(self.model)
        try:
            function = _tape(self.function, self.model, inputs)
            (replayed,) = function(*inputs)
            # One call gives what another gave, to the last bit.
            if replayed.dtype != output.dtype or not torch.equal(replayed, output):
                raise CannotRecordError("The tape's output differs from Keras's.")
            if marks(self.model) != before:
                raise CannotRecordError("The function changes what it reads from Python.")
        except Exception as error:  # of whatever kind: without a tape all goes on as before
            self.failure = error
        else:
            self.recorded = _Recorded(function, form, before)


def _tape(function, model, inputs):
    draws = Draws(model)

    def guarded(*arrays):
        with Guards([]), draws:
            return [function(*arrays)]

    module = graph_of(guarded, inputs)
    copies = shorten(module, exact=True)
    (output,) = next(iter(reversed(module.graph.nodes))).args[0]
    if copies or base(output).op != "call_function":
        raise CannotRecordError("The output, or what it follows from, lies elsewhere.")
    return as_function(module)
