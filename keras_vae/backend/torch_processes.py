"""Steps that the processes of `torch.distributed` share: gradients and logs are summed.

The names are those of tensorflow.py, which documents them.
"""

import contextlib
import contextvars
import functools
from collections.abc import Iterator

import keras
import numpy as np
import torch
from torch import distributed

from keras_vae.typing import Tensor

# Set while a step runs that all processes make: what else a process does is its own business.
_is_shared = contextvars.ContextVar("keras_vae_shared_step", default=False)


def n_processes() -> int:
    """Returns how many processes there are, 1 without `torch.distributed`."""
    is_used = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if is_used else 1


def num_replicas() -> int:
    return n_processes() if _is_shared.get() else 1


def replica_number() -> int:
    return distributed.get_rank() if num_replicas() > 1 else 0


def sum_over_replicas(x) -> Tensor:
    return _Sum.apply(x) if num_replicas() > 1 else x


class _Sum(torch.autograd.Function):
    """The sum over processes, whose gradient is the sum of all their gradients."""

    @staticmethod
    def forward(ctx, x):
        return _summed(x)

    @staticmethod
    def backward(ctx, gradient):
        return _summed(gradient)


def _summed(x):
    total = x.detach().clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total


@contextlib.contextmanager
def shared_step(model: keras.Model) -> Iterator[None]:
    if n_processes() == 1:
        yield
        return
    token, optimizer = _is_shared.set(True), model.optimizer if model.compiled else None
    if optimizer is not None:
        # Keras's step gives it the gradients: there is no other place between the two.
        optimizer.apply = functools.partial(_apply_sums, model, optimizer)
    try:
        yield
    finally:
        _is_shared.reset(token)
        if optimizer is not None:
            del optimizer.apply


def _apply_sums(model, optimizer, gradients, trainable_variables=None):
    """Makes the optimizer's step by the sums of the processes' gradients."""
    with torch.no_grad():
        _sum_in_place([g for g in gradients if g is not None])
        statistics = [v.value for v in _statistics(model)]
        _sum_in_place(statistics)
        for value in statistics:
            value.div_(n_processes())
    type(optimizer).apply(optimizer, gradients, trainable_variables)


def _statistics(model):
    """Returns what layers keep of batches, such as moving means, of which each process has one."""
    parts = (model.encoder, model.decoder, model.prior, model.condition)
    kept = [v for part in parts if part is not None for v in part.non_trainable_weights]
    return [v for v in kept if v.value.is_floating_point()]


def _sum_in_place(tensors):
    """Sums each tensor over the processes, all in one message."""
    if not tensors:
        return
    flat = torch.cat([t.reshape(-1) for t in tensors])
    distributed.all_reduce(flat)
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.reshape(tensor.shape))


def logs_of_step(logs) -> dict:
    return logs


@contextlib.contextmanager
def metrics_of_all(variables: list) -> Iterator[None]:
    if n_processes() == 1:
        yield
        return
    own = [v.value.clone() for v in variables]
    with torch.no_grad():
        _sum_in_place([v.value for v in variables])
    try:
        yield
    finally:
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)


def process(model: keras.Model | None = None) -> tuple[int, int]:
    return (distributed.get_rank() if n_processes() > 1 else 0), n_processes()


def shares(model: keras.Model) -> tuple[int, int, int] | None:
    number, count = process()
    return (number, count, count) if count > 1 else None


def around_keras(
    model: keras.Model, batch: tuple, is_share: bool
) -> contextlib.AbstractContextManager:
    return contextlib.nullcontext()


def of_all_processes(model: keras.Model, numbers: list[int]) -> np.ndarray:
    own = torch.tensor(numbers, dtype=torch.int64)
    if n_processes() == 1:
        return own.numpy()[None]
    found = [torch.empty_like(own) for _ in range(n_processes())]
    distributed.all_gather(found, own)
    return torch.stack(found).numpy()


def as_in_chief(model: keras.Model, variables: list[keras.Variable]) -> None:
    with torch.no_grad():
        for variable in variables:
            distributed.broadcast(variable.value, 0)


def check_can_share(model: keras.Model) -> None:
    pass
