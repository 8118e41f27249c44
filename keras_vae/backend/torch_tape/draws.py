"""The random numbers of a recorded step: the same that Keras's own loop draws."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import torch
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing
from torch.overrides import TorchFunctionMode

from keras_vae.backend.keras_internals import flatten_layers, seed_generators, stored_value
from keras_vae.backend.torch_tape.errors import CannotRecordError

_READS = (
    "__array__", "__bool__", "__complex__", "__contains__", "__float__", "__format__",
    "__index__", "__int__", "__repr__", "allclose", "cpu", "equal", "is_nonzero", "item", "numpy",
    "tolist",
)  # fmt: skip
_READING = {getattr(torch.Tensor, name) for name in _READS}
_READING |= {torch.allclose, torch.equal, torch.is_nonzero}


class Draw(NamedTuple):
    """A draw of a step: its buffer is part of the tape, and filled before each step.

    Attributes:
        function, arguments, options: what draws.
        buffer: the tensor that the tape reads.
        source: the seed generator.
        number: how many draws of this generator come before in a step.
    """

    function: Callable
    arguments: tuple
    options: dict[str, Any]
    buffer: torch.Tensor
    source: keras.random.SeedGenerator
    number: int


class Draws(TorchFunctionMode):
    """Takes draws out of a recording, and ends it where the step reads a value in Python.

    Args:
        model: the model, whose seed generators alone may draw.
    """

    def __init__(self, model: keras.Model):
        super().__init__()
        layers = flatten_layers(model)
        self.sources = list({id(g): g for x in layers for g in seed_generators(x)}.values())
        self.seeds = {id(g): _seed(g) for g in self.sources}
        self.counts = {id(g): 0 for g in self.sources}
        self.last: tuple = (None, 0)  # the generator that gave a seed last, see `Draw.number`
        self.draws: list[Draw] = []
        self.filled: list[torch.Tensor] = []  # of one number, as Keras's Dropout needs
        self.generator = torch.Generator(keras.ops.zeros(()).device)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in _READING:
            raise CannotRecordError(f"The step reads a value: {function.__name__}.")
        generator = kwargs.get("generator")
        if generator is not None:
            return self._draw(function, args, kwargs, generator)
        result = function(*args, **kwargs)
        if function is torch.full:
            self.filled.append(result)
        return result

    def _draw(self, function, args, kwargs, generator):
        known = set(map(id, self.filled))
        if any(isinstance(a, torch.Tensor) and id(a) not in known for a in args):
            raise CannotRecordError(f"{function.__name__} draws from what the step computes.")
        source, number = self.last
        self.last = None, 0  # a second draw from it would go on where this one ends
        if source is None or generator.initial_seed() != self._seed_of(source, number):
            raise CannotRecordError(f"{function.__name__} draws from an unknown generator.")
        with disable_proxy_modes_tracing():
            buffer = function(*args, **kwargs)
        options = {name: value for name, value in kwargs.items() if name != "generator"}
        self.draws.append(Draw(function, args, options, buffer, source, number))
        return buffer

    def _seed_of(self, source, number):
        seed, counter = self.seeds[id(source)]
        return (seed + counter + number) & 0xFFFFFFFF

    @contextlib.contextmanager
    def seeds_on_host(self) -> Iterator[None]:
        """Lets the generators count in Python, as Keras makes an integer of each seed."""
        self.last = None, 0
        for source in self.sources:
            source.next = lambda ordered=True, source=source: self._next(source, ordered)
        try:
            yield
        finally:
            for source in self.sources:
                del source.next

    def _next(self, source, ordered):
        if not ordered:
            raise CannotRecordError("The step draws without a seed.")
        number = self.counts[id(source)]
        self.counts[id(source)] += 1
        self.last = source, number
        seed, counter = self.seeds[id(source)]
        return np.array([seed, counter + number])

    def restart(self) -> None:
        """Reads the generators, from which the next steps are to draw."""
        self.seeds = {id(g): _seed(g) for g in self.sources}
        self.n_steps = 0

    def fill(self) -> None:
        """Draws for one more step."""
        for draw in self.draws:
            number = draw.number + self.n_steps * self.counts[id(draw.source)]
            self.generator.manual_seed(self._seed_of(draw.source, number))
            drawn = draw.function(*draw.arguments, generator=self.generator, **draw.options)
            draw.buffer.copy_(drawn)
        self.n_steps += 1

    def finish(self) -> None:
        """Writes into the generators how far they were drawn from."""
        for source in self.sources:
            stored_value(source.state).detach()[1] += self.n_steps * self.counts[id(source)]


def _seed(generator):
    return tuple(stored_value(generator.state).tolist())
