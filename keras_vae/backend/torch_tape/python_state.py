"""What a step may change beside tensors, which a recording puts back."""

import random

import keras
import numpy as np
import torch

from keras_vae.backend.keras_internals import GlobalSeed, flatten_layers
from keras_vae.backend.torch_tape.state import optimizer_of

# Numbers and the like, which layers may count in.
SCALARS = (bool, int, float, str, type(None), np.generic)


def parts(model: keras.Model) -> list:
    """Returns what has such attributes: all layers, the model among them, and the optimizer."""
    optimizer = optimizer_of(model)
    return [*flatten_layers(model), *([] if optimizer is None else [optimizer])]


class PythonState:
    """The scalars that layers and the optimizer hold, and the generators of the process.

    Args:
        model: the model.
    """

    def __init__(self, model: keras.Model):
        self.parts = parts(model)
        self.scalars = [_scalars(part) for part in self.parts]
        self.random, self.numpy = random.getstate(), np.random.get_state()
        self.seed = GlobalSeed()
        self.of_torch = torch.get_rng_state()
        self.of_cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None

    def has_drawn(self) -> bool:
        """Returns whether numbers were drawn since that a tape would not draw."""
        same_numpy = all(map(np.array_equal, self.numpy, np.random.get_state()))
        return not (same_numpy and random.getstate() == self.random)

    def restore(self) -> None:
        """Puts all back."""
        for part, scalars in zip(self.parts, self.scalars, strict=True):
            for name in _scalars(part).keys() - scalars.keys():
                del vars(part)[name]
            vars(part).update(scalars)
        random.setstate(self.random)
        np.random.set_state(self.numpy)
        self.seed.restore()
        torch.set_rng_state(self.of_torch)
        if self.of_cuda is not None:
            torch.cuda.set_rng_state(self.of_cuda)


def _scalars(part):
    return {name: value for name, value in vars(part).items() if isinstance(value, SCALARS)}
