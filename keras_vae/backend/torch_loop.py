"""The loop of steps on torch, see torch_tape for how a step is made without Keras's layers."""

from collections.abc import Callable

import keras
import numpy as np
import torch
from keras import ops

from keras_vae.backend.torch_tape import STEPS_TO_EARN, RecordedStep


def is_cpu() -> bool:
    """Returns whether there is no GPU."""
    return not torch.cuda.is_available()


def to_device(array: np.ndarray) -> torch.Tensor:
    """Returns `array` as a tensor on the device."""
    return ops.convert_to_tensor(array)


def call_numbers(n: int) -> np.ndarray:
    """Returns the numbers 0 to n - 1 as data for Keras, one a batch of size 1."""
    return np.arange(n)


def wait_for(logs: dict) -> None:
    """Returns at once: the steps are made."""


def compiled_loop(
    model: keras.Model,
    step: Callable,
    loop_by_xla: bool,
    update_by_xla: bool,
    pays_off: bool | None,
) -> tuple[Callable, Callable]:
    """Makes steps over rows of data that lies on the device, by a tape where that pays off.

    Args:
        model: the compiled model.
        step: its `train_step` or `test_step`, from a batch to logs.
        loop_by_xla: of no meaning here.
        update_by_xla: likewise.
        pays_off: whether there are steps enough to earn what recording one takes; None if what
            they compute is to tell.

    Returns:
        `many(data, rows, n_most)`, which makes a step over each row of `rows`,
        of shape (steps, batch), and `one(data, rows)`, which makes one step over
        rows of any number. Both give the logs of the last step.
    """
    recorded = rest = None
    if pays_off is not False:
        recorded = RecordedStep(model, step, 0 if pays_off else None)
        # One step of an epoch, or each one where there are fewer rows than a batch has.
        rest = RecordedStep(model, step, STEPS_TO_EARN)

    def many(data, rows, n_most):
        data = _tensors(data)
        batches = (_take(data, batch) for batch in _places(rows, data))
        if recorded is not None:
            return recorded.run(batches)
        for batch in batches:
            logs = step(batch)
        return logs

    def one(data, rows):
        data = _tensors(data)
        batch = _take(data, _places(rows, data))
        return step(batch) if rest is None else rest.run(iter([batch]))

    return many, one


def without_gradients(step: Callable) -> Callable:
    """Returns a step that makes nothing ready for gradients."""
    return torch.no_grad()(step)


def _tensors(data):
    """Returns tensors; those of NumPy's arrays share their memory."""
    return tuple(torch.as_tensor(array) for array in data)


def _places(rows, data):
    """Returns numbers of rows on the device, all of a call at once: each copy waits for a GPU."""
    return torch.from_numpy(np.ascontiguousarray(rows)).to(data[0].device)


def _take(data, places):
    """Returns rows of each array; an array that is there twice is taken once."""
    taken: dict[int, torch.Tensor] = {}
    for array in data:
        if id(array) not in taken:
            taken[id(array)] = array.index_select(0, places)
    return tuple(taken[id(array)] for array in data)
