"""Every condition keeps the contract of conditions, and so does one of a user."""

import keras
import numpy as np
import pytest
from contracts.common import in_turn
from contracts.condition import ConditionContract, N
from keras import ops

import keras_vae as kv
from keras_vae.conditions import (
    Condition,
    Continuous,
    Embedding,
    Exposure,
    FromLayer,
    OneHot,
    Several,
    SizeFactor,
)

RNG = np.random.default_rng(0)
DIGITS = np.arange(N) % 3
NUMBERS = (5.0 + 3.0 * RNG.normal(size=(N, 2))).astype("float32")
IMAGES = RNG.normal(size=(N, 3, 3, 1)).astype("float32")
SIZES = RNG.uniform(0.5, 4.0, size=N).astype("float32")
NAMES = ["ant", "bee", "cat"]


def convolutions(**kwargs):
    layers = [keras.layers.Conv2D(2, 2), keras.layers.Flatten()]
    return FromLayer(keras.Sequential(layers), (3, 3, 1), **kwargs)


MAY_BE_UNKNOWN = {
    "one_hot": (lambda **kw: OneHot(3, **kw), DIGITS),
    "names": (lambda **kw: OneHot(NAMES, **kw), np.array(NAMES)[DIGITS]),
    "learned_names": (lambda **kw: Embedding(3, 2, **kw), np.array(NAMES)[DIGITS]),
    "embedding": (lambda **kw: Embedding(3, 2, **kw), DIGITS),
    "number": (lambda **kw: Continuous(1, **kw), NUMBERS[:, 0]),
    "numbers": (lambda **kw: Continuous(2, **kw), NUMBERS),
    "as_given": (lambda **kw: Continuous(2, standardize=False, **kw), NUMBERS),
    "layer": (lambda **kw: FromLayer(keras.layers.Dense(2), **kw), NUMBERS),
    "images": (convolutions, IMAGES),
}
KNOWN = {
    "ids": (
        lambda: FromLayer(keras.layers.Embedding(3, 2), (2,), whole_numbers=True),
        np.stack([DIGITS, (DIGITS + 1) % 3], axis=1),
    ),
    "exposure": (Exposure, SIZES),
    "size_factor": (SizeFactor, SIZES),
    "several": (
        lambda: Several({"digit": OneHot(3), "numbers": Continuous(2)}),
        {"digit": DIGITS, "numbers": NUMBERS},
    ),
    "with_size": (
        lambda: Several({"digit": Embedding(3, 2), "size": SizeFactor()}),
        {"digit": DIGITS, "size": SIZES},
    ),
}


class TestConditions(ConditionContract):
    @pytest.fixture(params=in_turn(MAY_BE_UNKNOWN))
    def case(self, request):
        return MAY_BE_UNKNOWN[request.param]

    @pytest.fixture
    def make(self, case):
        return case[0]

    @pytest.fixture
    def values(self, case):
        return case[1]


class TestConditionsThatMustBeKnown(ConditionContract):
    allows_unknown = False

    @pytest.fixture(params=in_turn(KNOWN))
    def case(self, request):
        return KNOWN[request.param]

    @pytest.fixture
    def make(self, case):
        return case[0]

    @pytest.fixture
    def values(self, case):
        return case[1]


@keras.saving.register_keras_serializable(package="tests")
class Hour(Condition):
    """The example of the base class: an hour of the day, which has no midnight."""

    size, row_shape = 2, ()

    def read_rows(self, name, values):
        return np.asarray(values, "float32")

    def embed(self, rows):
        angle = 2 * np.pi / 24 * rows
        return ops.stack([ops.sin(angle), ops.cos(angle)], axis=-1)


class TestHour(ConditionContract):
    @pytest.fixture
    def make(self):
        return Hour

    @pytest.fixture
    def values(self):
        return np.arange(N) % 24


def test_the_shape_of_c_is_asked_for_where_only_the_data_tells():
    vae = kv.VAE(
        kv.VariationalEncoder(2),
        kv.networks.DenseDecoder(6),
        condition=FromLayer(keras.layers.Dense(2)),
    )
    with pytest.raises(ValueError, match=r"FromLayer\(layer, shape\)"):
        vae.build((None, 6))
