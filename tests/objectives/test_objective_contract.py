"""Every objective of the package, and every penalty in a sum, keeps the contract."""

import keras
import pytest
from contracts.common import in_turn
from contracts.objective import ObjectiveContract

import keras_vae as kv
from keras_vae.objectives import ELBO, MMD, Covariance, MutualInformation, TotalCorrelation

SUMS = {
    "total_correlation": lambda: ELBO(2.0) + TotalCorrelation(4.0),
    "mmd": lambda: ELBO() + MMD(10.0),
    "covariance": lambda: ELBO() + Covariance(),
    "mutual_information": lambda: ELBO() + MutualInformation(0.5),
}
TORCH = keras.backend.backend() == "torch"
EVERY = {**kv.objectives.NAMES, **SUMS}


class TestObjectives(ObjectiveContract):
    @pytest.fixture(params=in_turn(EVERY)[:: 1 if TORCH else 2])
    def make(self, request):
        return EVERY[request.param]
