"""Whether a tape does what the step does that it was recorded from."""

from collections.abc import Callable

import torch

from keras_vae.backend.torch_tape.python_state import PythonState
from keras_vae.backend.torch_tape.record import Tape
from keras_vae.backend.torch_tape.state import State

# Of what a step changes, and of the values themselves; rounding is a hundred times smaller.
_OF_CHANGE, _OF_VALUE = 1e-3, 1e-6
# Where rounding is amplified, as by Adam where a gradient is 0: times what this changes.
_PERTURBATION, _TIMES = 1e-6, 3.0


def first_step(tape: Tape, step: Callable, batch: tuple, state: State) -> tuple[dict, bool]:
    """Makes a step, and then the same by the tape to see whether they agree.

    Args:
        tape: what was recorded.
        step: from the arrays of a batch to logs.
        batch: the batch.
        state: of the model, which is afterwards as the step leaves it.

    Returns:
        The logs of the step, and whether the tape does the same.
    """
    before, python = state.copy(), PythonState(state.model)
    logs = step(batch)
    after, python_after = state.copy(), PythonState(state.model)
    state.restore(before)
    python.restore()
    tape.replay([batch])
    replayed = state.copy()
    same = agree(replayed, after, before)
    if not same:
        python.restore()
        sensitive = _perturbed(step, batch, state, before)
        same = agree(replayed, after, before, sensitive)
    state.restore(after)
    python_after.restore()
    return logs, same


def agree(
    replayed: list[torch.Tensor],
    after: list[torch.Tensor],
    before: list[torch.Tensor],
    perturbed: list[torch.Tensor] | None = None,
) -> bool:
    """Returns whether two ways to make a step leave the same state but for rounding.

    Args:
        replayed: the state after the one.
        after: after the other.
        before: before both.
        perturbed: after the other from weights that differ by rounding, which tells how much
            the step amplifies that.
    """
    perturbed = after if perturbed is None else perturbed
    return all(map(_is_close, replayed, after, before, perturbed))


def _perturbed(step, batch, state, before):
    """Returns the state after a step from weights that differ by as little as rounding does."""
    numbers = torch.Generator().manual_seed(0)
    state.restore([_changed(value, numbers) for value in before])
    step(batch)
    return state.copy()


def _changed(value, numbers):
    if not value.is_floating_point():
        return value
    noise = torch.randn(value.shape, generator=numbers).to(value)
    return value * (1 + _PERTURBATION * noise)


def _is_close(replayed, after, before, perturbed):
    if not after.is_floating_point():
        return torch.equal(replayed, after)
    replayed, after, before, perturbed = (
        value.double() for value in (replayed, after, before, perturbed)
    )
    tolerance = _OF_CHANGE * _norm(after - before) + _OF_VALUE * _norm(after)
    return _norm(replayed - after) <= tolerance + _TIMES * _norm(perturbed - after)


def _norm(value):
    return float(torch.linalg.vector_norm(value))
