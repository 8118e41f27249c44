"""Every posterior that has a name keeps the contract of posteriors."""

import keras
import pytest
from contracts.common import in_turn
from contracts.posterior import PosteriorContract
from keras import ops

import keras_vae as kv

OPTIONS = {"inverse_autoregressive_flow": {"units": (8,)}}


class TestNamedPosteriors(PosteriorContract):
    @pytest.fixture(params=in_turn(kv.posteriors.NAMES))
    def make(self, request):
        name = request.param
        return lambda: kv.posteriors.NAMES[name](**OPTIONS.get(name, {}))


@keras.saving.register_keras_serializable(package="tests")
class UnitVarianceHead(kv.posteriors.PosteriorHead):
    """The example of the base class's docstring."""

    distribution_class = kv.posteriors.DiagonalNormal
    param_names = ("z_mean", "z_log_var")

    def build(self, input_shape):
        self.dense = keras.layers.Dense(self.latent_dim, dtype="float32")
        self.dense.build(input_shape)

    def call(self, features):
        z_mean = self.dense(features)
        return {"z_mean": z_mean, "z_log_var": ops.zeros_like(z_mean)}


class TestOwnPosterior(PosteriorContract):
    @pytest.fixture
    def make(self):
        return UnitVarianceHead
