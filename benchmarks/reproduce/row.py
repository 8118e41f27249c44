"""What a row of docs/reproduced.md is: cases, each run with several seeds, and a verdict."""

from abc import ABC, abstractmethod
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import numpy as np


class Column(NamedTuple):
    """A figure of the table.

    Attributes:
        title: its head in the table.
        digits: after the point.
        published: the figures of the paper, by case.
    """

    title: str
    digits: int = 2
    published: Mapping[str, float] = MappingProxyType({})


class Row(ABC):
    """A published table that can be run again.

    A new one is a file with a subclass, and a line in `__main__.ROWS`. Its docstring says the
    paper, and in what the settings differ. It defines

    Attributes:
        columns: from the names of the figures that `run` returns to what the table says of them.
        length: how long is trained by default, in what `unit` says.
        whole: how long the paper trains.

    and `cases` and `run`, and `verdict` where the paper says more than numbers:

        >>> class Coin(Row):
        ...     columns = {"heads": Column("heads, %", 1, {"fair": 50.0})}
        ...     length, whole, unit = 10, 1000, "throws"
        ...     def cases(self): return ["fair"]
        ...     def run(self, case, seed, folder):
        ...         throws = np.random.default_rng(seed).integers(2, size=self.args.length)
        ...         return {"heads": 100 * throws.mean()}
    """

    columns: ClassVar[dict[str, Column]]
    length: ClassVar[int]
    whole: ClassVar[int]
    unit: ClassVar[str] = "epochs"
    seeds: ClassVar[int] = 3

    def __init__(self, args: Namespace):
        self.args = args

    def options(self) -> dict:
        """Returns what changes the figures."""
        return {self.unit: self.args.length, "draws": self.args.draws}

    @abstractmethod
    def cases(self) -> list[str]:
        """Returns the names of what is compared, in the order of the table."""

    @abstractmethod
    def run(self, case: str, seed: int, folder: Path) -> dict[str, float]:
        """Trains and judges one case; `folder` keeps what a killed run needs to go on."""

    def verdict(self, figures: dict[str, dict[str, np.ndarray]]) -> list[str]:
        """Returns what the figures, by case and name, of all seeds, say beside the paper."""
        return []


def in_order(*values: np.ndarray) -> str:
    """Returns in how many seeds each of the values is above the next, as "2 of 3 seeds"."""
    n = sum(all(np.diff(seed) < 0) for seed in zip(*values, strict=True))
    return f"{n} of {len(values[0])} seeds"
