"""What a `seed` argument stands for."""

import keras
from keras import ops

from keras_vae.typing import Tensor


class GivenSeed(keras.random.SeedGenerator):
    """Makes of a seed that is a number or a tensor what draws take, one after the other.

    It has no variable, so that it works in compiled and exported functions.

    Args:
        seed: two integers, of shape `(2,)`. The first draw takes the next ones.
    """

    def __init__(self, seed):
        # Not Keras's, which makes a variable, as a traced function may not.
        self.given, self.count = seed, 0

    def next(self, ordered=True) -> Tensor:
        self.count += 1
        return ops.cast(ops.stack([self.given[0], self.given[1] + self.count]), "uint32")


def generator(seed) -> keras.random.SeedGenerator | None:
    """Returns what gives several draws of one seed different numbers.

    Args:
        seed: an integer, a `keras.random.SeedGenerator`, which is returned as it
            is, or `None`, which stays `None`: Keras's global seed.
    """
    if seed is None or isinstance(seed, keras.random.SeedGenerator):
        return seed
    return GivenSeed((int(seed) % 2**31, -1))  # begins with what Keras makes of the integer
