"""Noise that differs by replica: its number goes into each seed that is drawn."""

import functools
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

# Far from the seeds that one generator goes through, which differ in their counts.
_APART = 1_000_003


def part(generators: list[keras.random.SeedGenerator], number: Callable) -> None:
    """Lets generators give each replica seeds of its own; their states stay the same in all.

    Args:
        generators: of the layers of a model.
        number: gives the number of the replica that runs, 0 where there is one.
    """
    for generator in generators:
        generator.next = functools.partial(_next, generator, number)


def _next(generator, number, ordered=True):
    seed = keras.random.SeedGenerator.next(generator, ordered)
    replica = number()
    if isinstance(replica, int) and replica == 0:
        return seed
    shift = ops.cast(replica, seed.dtype) * np.array([_APART, 0], "int32")
    return seed + ops.cast(shift, seed.dtype)
