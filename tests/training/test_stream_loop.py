"""The loop over streams gives the run of Keras's own loop over the same stream, for each source."""

import itertools

import keras
import numpy as np
import pytest
from data_forms import Table, generator, loader, memory_map, tf_dataset
from helpers import N_FEATURES, assert_same_logs
from same_runs import Runs
from scipy import sparse

import keras_vae as kv


@pytest.fixture(scope="module")
def runs():
    return Runs((None, N_FEATURES))


class Reordered(keras.utils.PyDataset):
    """Batches of rows that are in another order after each epoch."""

    def __init__(self, *arrays, **kwargs):
        super().__init__(**kwargs)
        self.arrays, self.rng = arrays, np.random.default_rng(3)
        self.order, self.calls = np.arange(len(arrays[0])), []

    def __len__(self):
        return -(-len(self.order) // 37)

    def __getitem__(self, i):
        return tuple(a[self.order[i * 37 : i * 37 + 37]] for a in self.arrays)

    def on_epoch_begin(self):
        self.calls.append("begin")

    def on_epoch_end(self):
        self.calls.append("end")
        self.order = self.rng.permutation(len(self.order))


def without_end(x, size=37):
    for start in itertools.cycle(range(0, len(x) - size + 1, size)):
        yield (x[start : start + size],)


def of_many_sizes(x):
    parts = np.split(x, [37, 74, 80, 117, 154])
    yield from ((part,) for part in parts[:-1])


def shuffled_loader(x):
    import torch

    order = torch.Generator()
    order.manual_seed(0)
    data = torch.utils.data.TensorDataset(torch.from_numpy(x))
    return torch.utils.data.DataLoader(data, batch_size=37, shuffle=True, generator=order)


def shuffled(x):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(x).shuffle(500, seed=1).batch(37)


def of_unknown_length(x):
    return tf_dataset(x).filter(lambda batch: True)


SOURCES = {
    "tf.data": tf_dataset,
    "shuffled tf.data": shuffled,
    "PyDataset": Reordered,
    "PyDataset of two workers": lambda x: Reordered(x, workers=2),
    "DataLoader": loader,
    "shuffled DataLoader": shuffled_loader,
    "memory map": memory_map,
    "sparse": sparse.csr_matrix,
    "table": lambda x: Table(image=x),
    "float64": lambda x: tf_dataset(x.astype("float64")),
    "uint8": lambda x: tf_dataset(x.astype("uint8")),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_each_source(runs, x, source):
    runs.assert_same(lambda: source(x), batch_size=None if source is not memory_map else 37)


@pytest.mark.parametrize(
    ("source", "kwargs"),
    [
        (generator, {"epochs": 1, "finds_end": True}),
        (of_many_sizes, {"epochs": 1, "finds_end": True}),
        (without_end, {"steps_per_epoch": 5}),
        (lambda x: tf_dataset(x).repeat(), {"steps_per_epoch": 5}),
        (tf_dataset, {"steps_per_epoch": 3, "epochs": 4}),  # its 7 batches run out, and begin anew
        (Reordered, {"steps_per_epoch": 7, "shuffle": False}),
        (Reordered, {"shuffle": False}),
    ],
    ids=["once", "sizes", "generator", "endless", "runs out", "all", "as it is"],
)
def test_steps_of_an_epoch(runs, x, source, kwargs):
    runs.assert_same(lambda: source(x), **kwargs)


def test_targets_and_weights(runs, x):
    noisy, weights = np.clip(x + 0.1, 0.0, 1.0), np.linspace(0, 1, len(x), dtype="float32")
    runs.assert_same(lambda: tf_dataset(noisy, x))
    runs.assert_same(lambda: Reordered(noisy, x, weights))
    kwargs = {"y": x, "sample_weight": weights, "batch_size": 37, "validation_split": 0.3}
    runs.assert_same(lambda: memory_map(noisy), **kwargs)


def test_validation_on_streams(runs, x):
    runs.assert_same(lambda: tf_dataset(x), validation_data=lambda: Reordered(x[:90]))
    endless = {"validation_data": lambda: tf_dataset(x).repeat(), "validation_steps": 3}
    runs.assert_same(lambda: without_end(x), steps_per_epoch=4, **endless)
    # Beside a loop over an array, and the other way round.
    runs.assert_same(lambda: x, validation_data=lambda: tf_dataset(x[:90]))
    runs.assert_same(lambda: tf_dataset(x), validation_data=lambda: x[:90])


def test_evaluate(runs, x):
    def logs(on, stream, **kwargs):
        return runs.models[on]().evaluate(stream(), verbose=0, return_dict=True, **kwargs)

    for stream, kwargs in (
        (lambda: tf_dataset(x), {}),
        (lambda: generator(x), {}),
        (lambda: without_end(x), {"steps": 3}),
        (lambda: memory_map(x), {"batch_size": 100}),
    ):
        assert_same_logs(logs(True, stream, **kwargs), logs(False, stream, **kwargs), rtol=1e-5)


def test_conditions_in_dicts(x):
    shapes = {"x": (None, N_FEATURES), "condition": (None,)}
    runs = Runs(shapes, condition=lambda: kv.conditions.OneHot(3))
    condition = np.arange(len(x)) % 3

    def batches():
        import tensorflow as tf

        rows = {"x": x, "condition": condition}
        return tf.data.Dataset.from_tensor_slices(rows).batch(37)

    runs.assert_same(batches)


def test_a_length_that_nobody_knows(runs, x):
    with pytest.warns(UserWarning, match="ran out of data"):
        history, state = runs.run(True, lambda: of_unknown_length(x))
    expected, expected_state = runs.run(True, lambda: tf_dataset(x))
    # Keras's own loop on TensorFlow counts one step too many here.
    assert_same_logs(history.history, expected.history, rtol=1e-6)
    for value, other in zip(state, expected_state, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-6)
    assert history.params["steps"] is None
    assert expected.params["steps"] == 7
