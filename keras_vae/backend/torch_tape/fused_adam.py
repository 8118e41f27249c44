"""Keras's Adam in one kernel of torch, while a step is recorded."""

import contextlib
from collections.abc import Iterator

import keras
import torch
from keras import ops

from keras_vae.backend.keras_internals import (
    adam_moments,
    has_own_adam_update,
    own_update,
    with_update,
)

# Of torch's own formula: so many that its bias corrections, which Keras's rate has, are 1.
_STEPS = 1e9


@contextlib.contextmanager
def fused_update(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Lets Adam and AdamW update all weights by one kernel.

    What Keras does around it stays: clipping, weight decay, moving averages of the weights,
    schedules.

    Args:
        optimizer: of any kind; others are left alone.
    """
    if not has_own_adam_update(optimizer) or optimizer.amsgrad:
        yield
        return
    own = own_update(optimizer)

    def update(grads, variables, learning_rate):
        moments = [adam_moments(optimizer, v) for v in variables]
        tensors = [(v.value, g, *m) for v, g, m in zip(variables, grads, moments, strict=True)]
        if not all(map(_lie_alike, tensors)):
            own(grads, variables, learning_rate)
        elif tensors:
            _fused(optimizer, tensors, learning_rate)

    with with_update(optimizer, update):
        yield


def _lie_alike(tensors):
    """Returns whether the kernel, which reads memory in its order, may take these."""
    first = tensors[0]
    return first.dtype == torch.float32 and all(
        t.dtype == first.dtype and t.shape == first.shape and t.stride() == first.stride()
        for t in tensors
    )


def _fused(optimizer, tensors, learning_rate):
    # Keras divides by √v + ε, torch by √(v / correction) + ε: without corrections they agree.
    step = ops.cast(optimizer.iterations + 1, "float32")
    powers = [ops.power(ops.cast(b, "float32"), step) for b in (optimizer.beta_1, optimizer.beta_2)]
    rate = ops.cast(learning_rate, "float32") * ops.sqrt(1 - powers[1]) / (1 - powers[0])
    weights, grads, means, squares = map(list, zip(*tensors, strict=True))
    many = torch.full((), _STEPS, device=weights[0].device)
    torch._fused_adam_(
        weights,
        grads,
        means,
        squares,
        [],
        [many] * len(weights),
        lr=rate,
        beta1=optimizer.beta_1,
        beta2=optimizer.beta_2,
        weight_decay=0.0,
        eps=optimizer.epsilon,
        amsgrad=False,
        maximize=False,
    )
