"""Records a step as a flat list of torch's operations."""

import threading
from collections.abc import Callable, Iterable

import keras
import torch
from torch._guards import TracingContext, tracing
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from keras_vae.backend.keras_internals import given_learning_rate
from keras_vae.backend.torch_tape.clean_up import clean_up
from keras_vae.backend.torch_tape.draws import Draws
from keras_vae.backend.torch_tape.errors import CannotRecordError
from keras_vae.backend.torch_tape.fused_adam import fused_update
from keras_vae.backend.torch_tape.graph import devices
from keras_vae.backend.torch_tape.guards import Guards
from keras_vae.backend.torch_tape.python_state import PythonState
from keras_vae.backend.torch_tape.reuse import reuse_memory
from keras_vae.backend.torch_tape.source import as_function
from keras_vae.backend.torch_tape.state import State
from keras_vae.backend.torch_tape.uploads import Upload, take_out

_ONE_AT_A_TIME = threading.Lock()  # make_fx changes what all threads call


class Tape:
    """A recorded step: its operations read and write the variables of the model in place.

    Args:
        model: the model.
        function: of the arrays of a batch, to a list of the logs that are no metrics.
        names: of these logs.
        draws: what the step draws.
        copies: what the step reads on another device than its own.
        devices: on which the function computes, "cpu" or "cuda".
    """

    def __init__(
        self,
        model: keras.Model,
        function: Callable,
        names: list[str],
        draws: Draws,
        copies: list[Upload],
        devices: set[str],
    ):
        self.model, self.function, self.names, self.draws = model, function, names, draws
        self.copies, self.devices = copies, devices

    @torch.no_grad()
    def replay(self, batches: Iterable[tuple]) -> tuple[dict, int]:
        """Makes a step on each batch; returns the logs of the last one, and how many there were."""
        outputs: list = []
        for copy in self.copies:
            copy.renew()
        self.draws.restart()
        try:
            for batch in batches:
                self.draws.fill()
                outputs = self.function(*batch)
        finally:
            self.draws.finish()
        # The next call of a CUDA graph writes its outputs anew.
        named = {name: x.clone() for name, x in zip(self.names, outputs, strict=True)}
        return named or self.model.get_metrics_result(), self.draws.n_steps


def record(model: keras.Model, step: Callable, batch: tuple, state: State) -> Tape:
    """Records a step on a batch, and leaves the model as it was.

    Args:
        model: the compiled model.
        step: from the arrays of a batch to logs.
        batch: of the shapes that the tape will be for.
        state: of the model.

    Raises:
        CannotRecordError: if a tape would not do what the step does. What the step or its
            recording raises otherwise is raised too.
    """
    _check_learning_rate(model.optimizer)
    metrics, names = model.get_metrics_result().keys(), []
    draws = Draws(model)

    def logs(*arrays):
        with Guards([*state.tensors, *arrays]), draws:
            found = step(arrays)
        if found.keys() == metrics:
            return []  # they need not be computed at each step
        if not all(isinstance(value, torch.Tensor) for value in found.values()):
            raise CannotRecordError("The step logs numbers of Python.")
        names.extend(found)
        return list(found.values())

    before, python = state.copy(), PythonState(model)
    try:
        with draws.seeds_on_host(), fused_update(model.optimizer):
            module = graph_of(logs, batch)
        if python.has_drawn():
            raise CannotRecordError("The step draws by NumPy or Python.")
    finally:
        state.restore(before)
        python.restore()
    copies = shorten(module)
    return Tape(model, as_function(module), names, draws, copies, devices(module))


def graph_of(function: Callable, arrays: Iterable[torch.Tensor]) -> GraphModule:
    """Records what a function of tensors does on some arrays, of which it gets copies."""
    with _ONE_AT_A_TIME, _tracing():
        return make_fx(function, tracing_mode="real")(*(array.clone() for array in arrays))


def shorten(module: GraphModule, exact: bool = False) -> list[Upload]:
    """Takes out of a graph what a replay need not do; returns what is to be copied before it."""
    clean_up(module, exact)
    copies = take_out(module)
    reuse_memory(module)
    return copies


def _check_learning_rate(optimizer):
    rate = None if optimizer is None else given_learning_rate(optimizer)
    is_schedule = isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)
    if callable(rate) and not is_schedule:
        raise CannotRecordError("The learning rate is a function.")


def _tracing():
    """Returns a scope in which make_fx has one mode for the shapes of all operations.

    To make one for each operation takes it half of the time.
    """
    return tracing(TracingContext(FakeTensorMode(allow_fallback_kernels=True)))
