"""StreamReader: a thread that reads batches into chunks while the steps of other chunks run."""

import math
import queue
import threading
from collections.abc import Iterator

import numpy as np

from keras_vae.backend import as_floatx

# How long the end of a run waits for a source that is busy with a batch.
_PATIENCE = 5.0


class Chunk:
    """Memory for batches that lie together.

    Attributes:
        parts: what was read, in order: ranges of the places of batches in `arrays`, and batches
            of another size or dtype than the first, each an array by name.
        n_batches: how many there are of both.

    Args:
        like: a batch, arrays by name.
        size: how many batches of its size there is room for.
    """

    def __init__(self, like: dict, size: int):
        self.size, self.batch_size = size, len(next(iter(like.values())))
        self.arrays = {
            name: np.empty((size * len(array), *array.shape[1:]), as_floatx(array[:0]).dtype)
            for name, array in like.items()
        }
        self.clear()

    def clear(self) -> None:
        """Forgets what was read."""
        self.parts: list[range | dict] = []
        self.n_batches = self.n_placed = 0

    def add(self, batch: dict) -> None:
        """Copies a batch, arrays by name; floats become `keras.config.floatx()`.

        Raises:
            ValueError: if it has other parts than the first.
        """
        if batch.keys() != self.arrays.keys():
            raise ValueError(
                f"A batch of the stream has {', '.join(batch)}; the first one has "
                f"{', '.join(self.arrays)}."
            )
        self.n_batches += 1
        if not all(self._has_place_for(name, array) for name, array in batch.items()):
            self.parts.append({name: np.array(as_floatx(a)) for name, a in batch.items()})
            return
        place = self.n_placed
        self.n_placed += 1
        rows = slice(place * self.batch_size, self.n_placed * self.batch_size)
        for name, array in batch.items():
            np.copyto(self.arrays[name][rows], array, casting="same_kind")
        last = self.parts[-1] if self.parts else None
        if isinstance(last, range):
            self.parts[-1] = range(last.start, self.n_placed)
        else:
            self.parts.append(range(place, self.n_placed))

    def _has_place_for(self, name, array):
        memory = self.arrays[name]
        is_float = array.dtype.kind == memory.dtype.kind == "f"
        return array.shape == (self.batch_size, *memory.shape[1:]) and (
            is_float or array.dtype == memory.dtype
        )


class StreamReader(threading.Thread):
    """Reads the batches of an epoch, never more than its chunks hold beyond those trained on.

    Args:
        batches: arrays by name.
        chunks: what they are copied to.
        n_batches: how many are read at most, `None` for all.
    """

    def __init__(self, batches: Iterator[dict], chunks: list[Chunk], n_batches: int | None):
        super().__init__(name="keras_vae reader", daemon=True)
        self.batches = batches
        self.left = math.inf if n_batches is None else n_batches
        self.has_ended = self.is_stopped = False
        self.free: queue.SimpleQueue = queue.SimpleQueue()
        self.full: queue.SimpleQueue = queue.SimpleQueue()
        for chunk in chunks:
            self.free.put(chunk)

    def next(self) -> tuple[Chunk | None, BaseException | None]:
        """Returns the next chunk, `None` after the last, and the error that ended it, if any."""
        return self.full.get()

    def give_back(self, chunk: Chunk) -> None:
        """Lets a chunk be filled anew."""
        self.free.put(chunk)

    def close(self) -> None:
        """Stops to read."""
        self.is_stopped = True
        self.free.put(None)
        self.join(_PATIENCE)

    def run(self) -> None:
        while self.left and not self.has_ended:
            chunk = self.free.get()
            if self.is_stopped:
                return
            error = self._fill(chunk)
            self.left -= chunk.n_batches
            self.full.put((chunk, error))
        self.full.put((None, None))

    def _fill(self, chunk):
        chunk.clear()
        try:
            while chunk.n_batches < min(chunk.size, self.left) and not self.is_stopped:
                batch = next(self.batches, None)
                if batch is None:
                    self.has_ended = True
                    return None
                chunk.add(batch)
        except BaseException as error:  # raised again where the steps are made
            self.has_ended = True
            return error
        return None
