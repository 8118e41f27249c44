"""Every objective of the package, and every penalty in a sum, keeps the contract."""

import keras
import pytest
from contracts.objective import ObjectiveContract

import keras_vae as kv
from keras_vae.objectives import ELBO, MMD, Covariance, MutualInformation, TotalCorrelation

SUMS = {
    "total_correlation": lambda: ELBO(2.0) + TotalCorrelation(4.0),
    "mmd": lambda: ELBO() + MMD(10.0),
    "covariance": lambda: ELBO() + Covariance(),
    "mutual_information": lambda: ELBO() + MutualInformation(0.5),
}
EVERY = {**kv.objectives.NAMES, **SUMS}
# Those that are computed alike are compiled on one backend only.
SOME = slice(None, None, 1 if keras.backend.backend() == "torch" else 6)


class TestObjectives(ObjectiveContract):
    @pytest.fixture(params=sorted(EVERY)[SOME])
    def make(self, request):
        return EVERY[request.param]
