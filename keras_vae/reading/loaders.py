"""Reads torch DataLoaders over tensors batch by batch, where torch reads row by row."""

import sys
from collections.abc import Iterator

import numpy as np


def batches_of(loader) -> Iterator:
    """Returns an iterator over the batches of a torch `DataLoader`.

    Of a `TensorDataset` torch takes each row alone and stacks them, which takes four times as
    long as to take the rows of a batch at once. Values, order and what is drawn are the same.
    """
    iterator = iter(loader)  # draws a seed
    return _at_once(loader.dataset.tensors, loader.batch_sampler) if _stacks(loader) else iterator


def _stacks(loader):
    """Returns whether batches are rows of tensors, stacked, and nothing of the user's own."""
    torch = sys.modules.get("torch")  # whose loader it may be
    if torch is None or type(loader) is not torch.utils.data.DataLoader:
        return False
    data = torch.utils.data
    has_rows = type(loader.dataset) is data.TensorDataset and loader.batch_sampler is not None
    return has_rows and loader.collate_fn is data.default_collate and loader.num_workers == 0


def _at_once(tensors, batches):
    import torch

    for rows in batches:
        rows = torch.from_numpy(np.asarray(rows, "int64"))  # sooner than torch makes it of a list
        yield [tensor[rows] for tensor in tensors]
