"""Streams whose batches are dicts of x and what is given beside it, in every form of stream."""

import keras
import numpy as np
import pytest
from helpers import make_vae

import keras_vae as kv

DIGITS = np.arange(256) % 3
ANGLES = np.linspace(-1.0, 1.0, 256, dtype="float32")
SIZE = 32


def batch_of(x, i, several):
    rows = slice(i * SIZE, (i + 1) * SIZE)
    condition = {"digit": DIGITS[rows], "angle": ANGLES[rows]} if several else DIGITS[rows]
    return {"x": x[rows], "condition": condition}


class Batches(keras.utils.PyDataset):
    def __init__(self, x, several):
        super().__init__()
        self.x, self.several = x, several

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return (batch_of(self.x, index, self.several),)


def tf_dataset(x, several):
    tf = pytest.importorskip("tensorflow")
    condition = {"digit": DIGITS, "angle": ANGLES} if several else DIGITS
    return tf.data.Dataset.from_tensor_slices({"x": x, "condition": condition}).batch(SIZE)


def data_loader(x, several):
    torch = pytest.importorskip("torch")

    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return 256

        def __getitem__(self, i):
            condition = {"digit": DIGITS[i], "angle": ANGLES[i]} if several else DIGITS[i]
            return {"x": x[i], "condition": condition}

    return torch.utils.data.DataLoader(Rows(), batch_size=SIZE)


def generator(x, several):
    return (batch_of(x, i, several) for i in range(8))


STREAMS = {f.__name__: f for f in (tf_dataset, Batches, data_loader, generator)}


@pytest.mark.parametrize(
    ("kind", "several"), [(kind, i % 2 == 1) for i, kind in enumerate(STREAMS)]
)
def test_a_stream_trains_and_is_encoded_as_arrays_are(kind, several, x):
    condition = {"digit": DIGITS, "angle": ANGLES} if several else DIGITS
    models, losses = [], []
    # Not standardized, as of a stream only the first batch is seen before.
    made = {"digit": kv.conditions.OneHot(3), "angle": kv.conditions.Continuous(1, False)}
    for from_stream in (True, False):
        keras.utils.set_random_seed(2)
        vae = make_vae(condition=dict(made) if several else kv.conditions.OneHot(3))
        data = STREAMS[kind](x, several) if from_stream else x
        given = {} if from_stream else {"condition": condition}
        history = vae.fit(data, shuffle=False, verbose=0, **given).history
        models.append(vae)
        losses.append(history["loss"])
        made = {"digit": kv.conditions.OneHot(3), "angle": kv.conditions.Continuous(1, False)}
    np.testing.assert_allclose(*losses, rtol=1e-5)
    vae = models[1]
    expected = vae.encode(x, condition=condition)
    np.testing.assert_allclose(
        vae.encode(STREAMS[kind](x, several)), expected, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        vae.score(STREAMS[kind](x, several)), vae.score(x, condition=condition), rtol=1e-5
    )
    found = vae.evaluate(STREAMS[kind](x, several), verbose=0)
    assert np.isfinite(found).all()


WRONG = {
    "lacks it": (lambda x: ({"x": b} for b in np.split(x, 8)), "condition is missing"),
    "x alone": (lambda x: iter(np.split(x, 8)), "condition is missing"),
    "unseen": (
        lambda x: ({"x": b, "condition": np.full(32, 7)} for b in np.split(x, 8)),
        "condition has 7",
    ),
    "strings": (
        lambda x: ({"x": b, "condition": np.full(32, "a")} for b in np.split(x, 8)),
        r"gives numbers: .* vae.condition.read\(c\)",
    ),
    "other rows": (
        lambda x: ({"x": b, "condition": np.zeros(5, int)} for b in np.split(x, 8)),
        "parts of 32, 5 rows",
    ),
    "other keys": (lambda x: ({"x": b, "c": b} for b in np.split(x, 8)), "must be one array, or"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_stream_lacks_is_said_before_training(name, x):
    make, message = WRONG[name]
    vae = make_vae(condition=kv.conditions.OneHot(3))
    with pytest.raises(ValueError, match=message):
        vae.fit(make(x), verbose=0)
    assert not vae.optimizer.built


def test_a_later_batch_of_an_unseen_class_is_no_number(x):
    vae = make_vae(condition=kv.conditions.OneHot(3))

    def batches():
        for i, b in enumerate(np.split(x, 8)):
            yield {"x": b, "condition": np.full(32, 7 if i == 5 else 1)}

    assert np.isnan(vae.fit(batches(), verbose=0).history["loss"][-1])
