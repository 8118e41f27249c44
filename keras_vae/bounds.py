"""Bounds that let the gradient through."""

from keras import ops


def bounded(x, low: float, high: float):
    """Clips x to [low, high], exactly, with the gradient of the identity.

    A clipped unit would otherwise get no gradient at all and never come back. Where x
    is infinite the gradient is 0.
    """
    # A comparison, as LiteRT has no operation for what is finite.
    finite = ops.where(ops.abs(x) < 3e38, x, ops.zeros_like(x))
    # What is added is 0, so that no digit of the bound is lost however large x is.
    return ops.stop_gradient(ops.clip(x, low, high)) + (finite - ops.stop_gradient(finite))
