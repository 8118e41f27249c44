"""Which rows of each batch a process reads, where several processes or devices share it."""

import dataclasses
import math
import zlib
from typing import NamedTuple

import numpy as np

from keras_vae import backend
from keras_vae.backend.keras_internals import compile_arguments
from keras_vae.reading.batch import packed
from keras_vae.training.data import TrainingData

# Of these rows, spread over the data, processes compare what they have.
_N_COMPARED = 16


class Share(NamedTuple):
    """The part of each batch that a process reads.

    Attributes:
        number: which part, from 0.
        n_parts: how many parts there are.
        multiple: a batch is filled up to a multiple of so many rows, by rows of weight zero.
    """

    number: int
    n_parts: int
    multiple: int

    @classmethod
    def of(cls, vae, data: TrainingData, batch_size: int, n: int) -> "Share | None":
        """Returns the part that this process reads, `None` where Keras is to be given all.

        Arrays that are the same in all processes are parted. Arrays that differ are each
        process's own part already, of which it takes `batch_size` rows a step.

        Args:
            vae: the model.
            data: the data, in rows.
            batch_size: rows of a batch.
            n: how many of the rows an epoch takes.

        Raises:
            ValueError: if the processes have parts of different numbers of batches, or parts
                where the engine shares arrays out, or metrics would count rows that fill batches.
        """
        found = backend.shares(vae)
        if found is None:
            if not _is_everywhere(vae, data):
                raise ValueError(
                    "The workers have different arrays, of which tf.distribute would leave out "
                    "half of each: give all of them the same arrays, which are then shared out."
                )
            return None
        number, count, multiple = found
        n_steps = math.ceil(n / batch_size)
        if count > 1 and not _is_everywhere(vae, data):
            steps = backend.of_all_processes(vae, [n_steps])[:, 0]
            if (steps != n_steps).any():
                raise ValueError(
                    f"The processes have data of their own, which make {steps.tolist()} batches "
                    "an epoch: they must make as many each. Give all of them the same arrays, "
                    "which are then shared out, or parts of one length."
                )
            number, count, multiple = 0, 1, max(1, multiple // count)
        share = cls(number, count, multiple)
        share._check_metrics(vae, batch_size, n)
        return share

    def _check_metrics(self, vae, batch_size, n):
        sizes = (min(batch_size, n), n % batch_size or batch_size)
        is_filled = any(self._n_rows(size, batch_size) != size for size in sizes)
        if is_filled and vae.compiled and compile_arguments(vae).get("metrics"):
            raise ValueError(
                "Some batches are filled up with rows of weight zero, so that they part evenly, "
                "and metrics would count these: pass weighted_metrics=[...] to compile, in place "
                f"of metrics. There are {n} rows in batches of {batch_size}."
            )

    def _n_rows(self, n, batch_size):
        """Returns how many rows a batch of n rows has when it is filled up."""
        size = batch_size if backend.COMPILES_EACH_SHAPE else n
        return math.ceil(size / self.multiple) * self.multiple

    def rows(self, rows: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns this process's rows of a batch, and for each whether it is of weight zero."""
        missing = self._n_rows(len(rows), batch_size) - len(rows)
        filled = np.append(rows, np.repeat(rows[:1], missing))
        is_filler = np.arange(len(filled)) >= len(rows)
        n = len(filled) // self.n_parts
        own = slice(self.number * n, (self.number + 1) * n)
        return filled[own], is_filler[own]


def with_weights(data: TrainingData) -> TrainingData:
    """Returns the data with a weight for each row, which Keras drops without a target."""
    weights = data.sample_weight
    weights = np.ones(len(data.x), "float32") if weights is None else weights
    y = data.x if data.y is None else data.y
    return dataclasses.replace(data, y=y, sample_weight=weights)


def packed_share(names: tuple, arrays: list, is_filler: np.ndarray) -> tuple:
    """Returns rows as Keras takes them, the fillers of weight zero."""
    *others, weights = arrays
    return packed(names, [*others, np.where(is_filler, 0.0, np.ravel(weights)).astype("float32")])


def n_rows_of_all(vae, data: TrainingData, n: int) -> int:
    """Returns how many rows there are in all processes, of which this one counts n."""
    if not data.has_rows or backend.shares(vae) is None or _is_everywhere(vae, data):
        return n
    return int(backend.of_all_processes(vae, [n]).sum())


def _is_everywhere(vae, data):
    """Returns whether all processes have the same data, by some of its rows."""
    if backend.process(vae)[1] == 1:
        return True
    rows = np.linspace(0, len(data.x) - 1, _N_COMPARED).astype(int)
    checksum = 0
    for array in data.arrays:
        checksum = zlib.crc32(np.ascontiguousarray(array[rows]), checksum)
    found = backend.of_all_processes(vae, [len(data.x), checksum % 2**31])
    return bool((found == found[0]).all())
