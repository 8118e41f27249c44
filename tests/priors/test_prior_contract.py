"""Every prior that has a name keeps the contract of priors."""

import pytest
from contracts.common import in_turn
from contracts.prior import PriorContract

import keras_vae as kv

OPTIONS = {
    "vamp": {"n_components": 4},
    "real_nvp": {"n_layers": 2, "units": (8,)},
    "gaussian_mixture": {"n_components": 3},
    "two_stage": {"latent_dim": 2, "units": (16,)},
}
# Those of a condition have tests of their own: test_conditional_priors.py.
UNCONDITIONAL = [
    n for n, c in kv.priors.NAMES.items() if not issubclass(c, kv.priors.ConditionalPrior)
]


class TestNamedPriors(PriorContract):
    @pytest.fixture(params=in_turn(UNCONDITIONAL))
    def make(self, request):
        name = request.param
        return lambda: kv.priors.NAMES[name](**OPTIONS.get(name, {}))


class TestFullMixture(PriorContract):
    @pytest.fixture
    def make(self):
        return lambda: kv.priors.GaussianMixture(3, covariance="full")
