"""A tape as a CUDA graph: the GPU knows all kernels of a step, and runs them by one call."""

import contextlib
import warnings
from collections.abc import Callable, Iterator

import torch

from keras_vae.backend.torch_tape.check import agree
from keras_vae.backend.torch_tape.errors import CannotRecordError
from keras_vae.backend.torch_tape.python_state import PythonState
from keras_vae.backend.torch_tape.state import State


class CudaGraph:
    """A function of a tape, whose kernels read a batch from tensors that stay where they are.

    Args:
        function: of the arrays of a batch to outputs, which reads and writes tensors in place.
        inputs: of the shapes of a batch; each batch is copied into them.
    """

    def __init__(self, function: Callable, inputs: list[torch.Tensor]):
        self.function = function  # holds the tensors whose places in memory the graph has
        self.inputs = inputs
        self.graph, self.outputs = _capture(function, inputs)

    def __call__(self, *batch):
        for mine, given in zip(self.inputs, batch, strict=True):
            mine.copy_(given)
        self.graph.replay()
        return self.outputs


@torch.no_grad()
def captured(function: Callable, devices: set[str], batch: tuple, state: State) -> CudaGraph:
    """Returns a function of a tape as a CUDA graph, and leaves the model as it was.

    Args:
        function: see `CudaGraph`.
        devices: on which its operations compute.
        batch: of the shapes that the graph will be for.
        state: of the model.

    Raises:
        CannotRecordError: if a graph would not do what the function does.
        RuntimeError: of torch, if it cannot capture the function.
    """
    if devices != {"cuda"}:
        raise CannotRecordError(f"The step computes on {', '.join(sorted(devices))}.")
    inputs = [array.clone() for array in batch]
    before, python = state.copy(), PythonState(state.model)

    def after(step):
        step(*inputs)
        changed = state.copy()
        state.restore(before)
        python.restore()
        return changed

    try:
        _warm_up(function, inputs)
        state.restore(before)
        python.restore()
        expected = after(function)
        graph = CudaGraph(function, inputs)
        if not agree(after(graph), expected, before):
            raise CannotRecordError("The CUDA graph's first step differs from the tape's.")
    finally:
        state.restore(before)
        python.restore()
    return graph


def _warm_up(function, inputs):
    """Lets libraries make ready what they may not while a graph is captured."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        function(*inputs)
        with _noting_waits():
            function(*inputs)
    torch.cuda.current_stream().wait_stream(stream)


@contextlib.contextmanager
def _noting_waits() -> Iterator[None]:
    """Tells of operations that wait for the GPU: in a capture they would break more than it."""
    mode = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode(mode)
    # The mode itself is announced as one that finds not "all synchronizing operations".
    if any("called a synchronizing" in str(warning.message) for warning in said):
        raise CannotRecordError("The step waits for the GPU.")


def _capture(function, inputs):
    graph = torch.cuda.CUDAGraph()
    # Other threads, which read data, may go on meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        outputs = function(*inputs)
    return graph, outputs
