"""Batches of torch DataLoaders, beside torch's own."""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "torch":
    pytest.skip("does not depend on the backend, and torch is imported", allow_module_level=True)

import torch
from torch.utils.data import DataLoader, Subset, TensorDataset

from keras_vae.reading.loaders import batches_of

X = torch.arange(46.0).reshape(23, 2)
DATA = TensorDataset(X, torch.arange(23))


def passes(read, loader):
    """Returns two passes over the batches as arrays, and what torch draws next."""
    torch.manual_seed(1)
    batches = [[np.asarray(part) for part in batch] for _ in range(2) for batch in read(loader)]
    return batches, torch.rand(1).item()


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 5},
        {"batch_size": 5, "shuffle": True},
        {"batch_size": 5, "shuffle": True, "drop_last": True},
        {"batch_size": 5, "sampler": [3, -1, *range(10)]},
        {"batch_sampler": [[1, 2], [0], torch.tensor([5, 4, 3])]},
    ],
)
def test_rows_taken_at_once_are_torchs_batches(options):
    loader = DataLoader(DATA, **options)
    assert not isinstance(batches_of(loader), type(iter(loader)))
    assert_same(passes(batches_of, loader), passes(iter, loader))


def assert_same(found, expected):
    (batches, drawn), (torchs_batches, torchs_drawn) = found, expected
    assert drawn == torchs_drawn
    for batch, torchs in zip(batches, torchs_batches, strict=True):
        for part, other in zip(batch, torchs, strict=True):
            np.testing.assert_array_equal(part, other, strict=True)


class Doubled(TensorDataset):
    def __getitem__(self, i):
        return tuple(2 * part for part in super().__getitem__(i))


class Backwards(DataLoader):
    def __iter__(self):
        return iter(list(super().__iter__())[::-1])


class Foreign:
    """Of another library, with batches of its own."""

    collate_fn = None

    def __iter__(self):
        return iter([[X[:2]], [X[2:]]])


def first(rows):
    return rows[0]


@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(Doubled(X), 5),
        DataLoader(Subset(DATA, [1, 2]), 5),
        DataLoader(DATA, 5, collate_fn=first),
        DataLoader(DATA, batch_size=None),
        DataLoader(DATA, 5, num_workers=1),
        Backwards(DATA, 5),
        Foreign(),
    ],
    ids=["a class", "a subset", "a collate function", "rows", "workers", "a loader", "a library"],
)
def test_others_are_read_by_torch(loader):
    assert isinstance(batches_of(loader), type(iter(loader)))
    assert_same(passes(batches_of, loader), passes(iter, loader))
