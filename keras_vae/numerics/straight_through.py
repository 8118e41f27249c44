"""Bounds that let the gradient through."""

from keras import ops

from keras_vae.typing import Tensor


def bounded(x, low: float, high: float) -> Tensor:
    """Clips x to [low, high], exactly, with the gradient of the identity.

    A clipped unit would otherwise get no gradient at all and never come back. Where x
    is infinite the gradient is 0.
    """
    return _with_gradient(ops.clip(x, low, high), x)


def tamed(x, limit: float) -> Tensor:
    """Returns x with the gradient of x · limit / |x| where |x| is larger than `limit`.

    The direction of the gradient stays. Its squares, of which optimizers keep means,
    would otherwise leave the range of float32.
    """
    share = limit / ops.maximum(ops.abs(x), limit)
    return _with_gradient(x, ops.stop_gradient(share) * x)


def _with_gradient(value, x):
    """Returns `value` with the gradient of x, 0 where x is infinite."""
    value, x = ops.convert_to_tensor(value), ops.convert_to_tensor(x)
    # A comparison, as LiteRT has no operation for what is finite.
    finite = ops.where(ops.abs(x) < 3.4e38, x, ops.zeros_like(x))
    # What is added is 0, so that no digit of the value is lost however large x is.
    return ops.stop_gradient(value) + (finite - ops.stop_gradient(finite))
