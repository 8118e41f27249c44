"""Every likelihood that has a name keeps the contract of likelihoods."""

import keras
import numpy as np
import pytest
from contracts.common import in_turn
from contracts.likelihood import LikelihoodContract
from keras import ops

import keras_vae as kv


class TestNamedLikelihoods(LikelihoodContract):
    @pytest.fixture(params=in_turn(kv.likelihoods.NAMES))
    def make(self, request):
        return kv.likelihoods.NAMES[request.param]


OTHERS = {
    "learned": lambda: kv.likelihoods.Gaussian("learned"),
    "optimal": lambda: kv.likelihoods.Gaussian("optimal"),
    "decoder": lambda: kv.likelihoods.Gaussian("decoder"),
    "student_t_decoder": lambda: kv.likelihoods.StudentT("decoder"),
    "zero_inflated": lambda: kv.likelihoods.Poisson(zero_inflated=True),
    "masked": lambda: kv.likelihoods.Masked("bernoulli"),
}


class TestOtherLikelihoods(LikelihoodContract):
    @pytest.fixture(params=in_turn(OTHERS))
    def make(self, request):
        return OTHERS[request.param]


@keras.saving.register_keras_serializable(package="tests")
class Exponential(kv.likelihoods.Likelihood):
    """The example of the base class's docstring, which has no draws."""

    def log_prob_per_feature(self, target, params):  # params: log of the rate
        return params - ops.exp(params) * target

    def mean(self, params):
        return ops.exp(-ops.cast(params, "float32"))


class TestOwnLikelihood(LikelihoodContract):
    @pytest.fixture
    def make(self):
        return Exponential

    def target(self, rng, shape):
        return rng.exponential(size=shape).astype("float32")


@keras.saving.register_keras_serializable(package="tests")
def half_square(target, params):
    return -0.5 * ops.sum(ops.square(target - params), axis=(-2, -1))


class TestFunction(LikelihoodContract):
    @pytest.fixture
    def make(self):
        return lambda: kv.likelihoods.FromFunction(half_square)


def test_what_is_no_likelihood_is_told_to_inherit():
    with pytest.raises(TypeError, match=r"inherits from keras_vae\.likelihoods\.Likelihood"):
        kv.likelihoods.get(keras.layers.Dense(1))
    with pytest.raises(TypeError, match="abstract method"):
        type("Empty", (kv.likelihoods.Likelihood,), {})()
    assert isinstance(kv.likelihoods.get(np.subtract), kv.likelihoods.FromFunction)
