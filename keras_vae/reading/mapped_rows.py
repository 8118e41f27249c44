"""MappedRows: a NumPy memory map, read row by row, so that little of it lies in memory."""

import mmap
import os
import sys
import weakref
from collections.abc import Iterator, Sequence

import numpy as np

from keras_vae.reading.lazy_rows import LazyRows

_BLOCK_BYTES = 2**24
# Smaller rows are faster looked at through the map than read.
_MIN_ROW_BYTES = 2**10
# What is looked at through the map before its pages are given back.
_MAX_MAPPED_BYTES = 2**26


class MappedRows(LazyRows):
    """The rows of a memory map.

    Pages that are looked at through the map stay in memory as long as there is room. So rows are
    read from the file, where the map is of one, and else its pages are given back now and then.

    Args:
        array: the map, of one axis at least.
    """

    def __init__(self, array: np.memmap):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.n_mapped_bytes = 0
        self.file = _opened(array) if array[:1].nbytes >= _MIN_ROW_BYTES else None
        if self.file is not None:
            weakref.finalize(self, os.close, self.file)

    def __getitem__(self, rows):
        rows = range(*rows.indices(len(self))) if isinstance(rows, slice) else rows
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        self.read_into(out, rows)
        return out

    def read_into(self, out: np.ndarray, rows: Sequence[int]) -> None:
        """Fills a contiguous array, `(len(rows), *features)`, with the rows of these numbers."""
        if self.file is None:
            np.take(self.array, rows, axis=0, out=out, mode="clip")
            self.n_mapped_bytes += out.nbytes + len(rows) * mmap.PAGESIZE
            if self.n_mapped_bytes > _MAX_MAPPED_BYTES:
                _give_pages_back(self.array)
                self.n_mapped_bytes = 0
            return
        memory = out.reshape(-1).view("uint8")
        size = memory.size // max(len(rows), 1)
        if (isinstance(rows, range) and rows.step == 1) or not size:
            self._read(memory, rows[0] * size if len(rows) else 0)
            return
        for place, row in enumerate(np.asarray(rows).tolist()):
            self._read(memory[place * size : (place + 1) * size], row * size)

    def _read(self, memory, start):
        done = 0
        while done < len(memory):
            n = os.preadv(self.file, [memory[done:]], self.array.offset + start + done)
            if not n:
                raise OSError(f"{self.array.filename} ends before the rows of its memory map do.")
            done += n

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields all rows in order, some MiB at a time."""
        size = max(1, _BLOCK_BYTES // max(self.array[:1].nbytes, 1))
        for start in range(0, len(self), size):
            yield self[start : start + size]


def _opened(array):
    """Returns a descriptor of the file that holds what the array holds, if there is one."""
    is_whole = isinstance(array.base, mmap.mmap) and array.flags.c_contiguous
    is_shared = array.mode != "c"  # what was written to it lies in no file
    if not (is_whole and is_shared and array.filename and len(array) and sys.platform == "linux"):
        return None
    try:
        file = os.open(array.filename, os.O_RDONLY)
    except OSError:
        return None
    ends, size = [0, len(array) - 1], array[0].nbytes
    found = [os.pread(file, size, array.offset + row * size) for row in ends]
    if found == [array[row].tobytes() for row in ends]:
        return file
    os.close(file)  # another file of that name by now
    return None


def _give_pages_back(array):
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    # Those of a private map would take with them what was written to it.
    if isinstance(base, mmap.mmap) and array.mode != "c" and sys.platform == "linux":
        base.madvise(mmap.MADV_DONTNEED)
