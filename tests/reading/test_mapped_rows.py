"""MappedRows: the rows of a map, whichever file or memory it is of, and little of it in memory."""

import os
from pathlib import Path

import numpy as np
import pytest

from keras_vae.reading import mapped_rows
from keras_vae.reading.mapped_rows import MappedRows


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(50, 30, 20)).astype("float32")


@pytest.fixture
def path(rows, tmp_path):
    np.save(tmp_path / "rows.npy", rows)
    return tmp_path / "rows.npy"


def replaced(path):
    mapped = np.load(path, mmap_mode="r")
    np.save(path.parent / "other.npy", np.zeros((50, 30, 20), "float32"))
    os.replace(path.parent / "other.npy", path)
    return mapped


MAPS = {
    "of a file": lambda path: np.load(path, mmap_mode="r"),
    "that is written to": lambda path: np.load(path, mmap_mode="r+"),
    "of other axes": lambda path: np.load(path, mmap_mode="r").reshape(50, 30, 20)[:, :, :],
    "whose file is another by now": replaced,
}


@pytest.mark.parametrize("make", MAPS.values(), ids=MAPS)
def test_rows_are_those_of_the_map(rows, path, make):
    mapped = MappedRows(make(path))
    order = np.random.default_rng(1).permutation(50)
    np.testing.assert_array_equal(mapped[order], rows[order])
    np.testing.assert_array_equal(mapped[order[:0]], rows[order[:0]])
    np.testing.assert_array_equal(mapped[10:20], rows[10:20])
    np.testing.assert_array_equal(mapped[::7], rows[::7])
    np.testing.assert_array_equal(np.concatenate(list(mapped.blocks())), rows)
    assert len(mapped) == 50
    assert mapped.shape == rows.shape


def test_what_was_written_to_a_private_map_is_kept(rows, path):
    private = np.load(path, mmap_mode="c")
    private[3] = 7.0
    mapped = MappedRows(private)
    assert (mapped[2:4][1] == 7.0).all()
    assert (mapped[np.array([3])] == 7.0).all()
    np.testing.assert_array_equal(np.load(path)[3], rows[3])


def test_other_dtypes_and_axes(tmp_path):
    for number, array in enumerate(
        (np.arange(12, dtype=">f8").reshape(4, 3), np.eye(4, dtype=bool), np.arange(5, dtype="u1"))
    ):
        np.save(tmp_path / f"{number}.npy", array)
        mapped = MappedRows(np.load(tmp_path / f"{number}.npy", mmap_mode="r"))
        np.testing.assert_array_equal(mapped[np.array([3, 1])], array[[3, 1]])


def test_a_file_that_was_cut_is_named(path):
    mapped = MappedRows(np.load(path, mmap_mode="r"))
    os.truncate(path, 500)
    with pytest.raises(OSError, match=r"rows\.npy ends before"):
        mapped[np.array([49])]


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux tells")
@pytest.mark.parametrize("part", [slice(None), slice(1, None)], ids=["whole", "part"])
def test_no_pages_stay_in_memory(tmp_path, part, monkeypatch):
    monkeypatch.setattr(mapped_rows, "_MAX_MAPPED_BYTES", 2**20)
    with open(tmp_path / "large.bin", "wb") as file:
        file.truncate(2**25)
    array = np.memmap(tmp_path / "large.bin", "float32", "r", shape=(2**15, 256))
    mapped = MappedRows(array[part])
    for rows in np.array_split(np.random.default_rng(0).permutation(len(mapped)), 100):
        mapped[rows]
    assert _resident("large.bin") < 2**22


def _resident(name):
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    for line in lines:
        if line.endswith(name):
            return next(int(x.split()[1]) * 1024 for x in lines if x.startswith("Rss:"))
    raise AssertionError(f"{name} is not mapped.")
