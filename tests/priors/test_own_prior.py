"""A prior of one's own, in one file: it keeps the contract, and agrees with SciPy."""

import keras
import numpy as np
import pytest
from contracts import common
from contracts.prior import PriorContract
from helpers import assert_close, to_numpy
from keras import ops
from scipy import stats

import keras_vae as kv


@keras.saving.register_keras_serializable(package="tests")
class StudentT(kv.priors.Prior):
    """p(z): independent Student-t's of learned scales."""

    def __init__(self, degrees_of_freedom=5.0, **kwargs):
        super().__init__(**kwargs)
        self.degrees_of_freedom = degrees_of_freedom

    def build(self, input_shape):
        super().build(input_shape)
        self.log_scale = self.add_weight(self.event_shape, "zeros", name="log_scale")

    def distribution(self):
        scale = ops.exp(ops.convert_to_tensor(self.log_scale))
        return kv.distributions.StudentT(ops.zeros_like(scale), scale, self.degrees_of_freedom)

    def get_config(self):
        return {**super().get_config(), "degrees_of_freedom": self.degrees_of_freedom}


class TestStudentT(PriorContract):
    @pytest.fixture
    def make(self):
        return StudentT


def test_it_agrees_with_scipy():
    prior = StudentT(4.0)
    prior.build((None, 3))
    prior.log_scale.assign([0.0, 0.7, -1.0])
    scale = np.exp([0.0, 0.7, -1.0])
    z = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    expected = stats.t(4.0, scale=scale).logpdf(z).sum(axis=-1)
    assert_close(to_numpy(prior.log_prob(z)), expected, rtol=1e-5)
    draws = to_numpy(prior.sample(4000, seed=0))
    for d in range(3):
        assert stats.kstest(draws[:, d], stats.t(4.0, scale=scale[d]).cdf).pvalue > 1e-3


def test_a_plain_layer_is_told_to_inherit():
    class Plain(keras.layers.Layer):
        def log_prob(self, z):
            return z

        def sample(self, n, seed=None):
            return n

    with pytest.raises(TypeError, match=r"inherits from keras_vae\.priors\.Prior"):
        kv.priors.get(Plain())
    with pytest.raises(TypeError, match=r"call it: StandardNormal\(\)"):
        kv.priors.get(kv.priors.StandardNormal)
    with pytest.raises(TypeError, match="abstract method"):
        type("Empty", (kv.priors.Prior,), {})()


def test_the_contract_finds_draws_of_another_distribution():
    class Wrong(kv.priors.StandardNormal):
        def sample(self, n, seed=None):
            return 1.1 * super().sample(n, seed)

    prior = Wrong()
    prior.build((None, 3))
    draws = to_numpy(prior.sample(20_000, seed=0))
    with pytest.raises(AssertionError):
        common.assert_density_of_draws(draws, to_numpy(prior.log_prob(draws)), "real")
