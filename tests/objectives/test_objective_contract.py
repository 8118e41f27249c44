"""Every objective of the package, and every penalty in a sum, keeps the contract."""

import keras
import pytest
from contracts.common import in_turn
from contracts.objective import ObjectiveContract

import keras_vae as kv
from keras_vae.objectives import ELBO, Penalty
from keras_vae.saving.identifiers import by_name

PENALTIES = by_name(vars(kv.objectives), Penalty)
OPTIONS = {"total_correlation": {"strength": 4.0}, "mutual_information": {"strength": 0.5}}
TORCH = keras.backend.backend() == "torch"


class TestObjectives(ObjectiveContract):
    @pytest.fixture(params=in_turn({**kv.objectives.NAMES, **PENALTIES})[:: 1 if TORCH else 2])
    def make(self, request):
        name = request.param
        if name in PENALTIES:
            return lambda: ELBO(2.0) + PENALTIES[name](**OPTIONS.get(name, {}))
        return kv.objectives.NAMES[name]
