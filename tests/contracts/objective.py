"""The contract of an objective: what a `keras_vae.objectives.Objective` must do in a model.

For one of your own, in a file of yours; a penalty is tested in a sum, `ELBO() + MyPenalty()`:

    class TestMyObjective(ObjectiveContract):
        @pytest.fixture
        def make(self):
            return MyObjective  # a function without arguments to a new objective
"""

import copy
import json

import keras
import numpy as np
import pytest
from contracts import common
from contracts.common import to_numpy

import keras_vae as kv


class Nothing(kv.objectives.Penalty):
    """Adds zero to a bound."""

    term_names = ("nothing",)

    def terms(self, forward):
        return {"loss": 0.0 * self.strength, "nothing": 0.0}


@pytest.mark.in_turn
class ObjectiveContract(common.SharesTraining):
    """Tests of an objective; a subclass gives the fixture `make`."""

    def train(self, objective):
        vae = common.make_vae(objective=objective)
        return common.trained(vae, objective, common.data(vae), epochs=2)

    def test_it_is_an_objective(self, make):
        objective = make()
        assert isinstance(objective, kv.objectives.Objective)
        assert kv.objectives.get(objective) is objective
        assert len(set(objective.own_terms)) == len(objective.own_terms)

    def test_its_terms_are_logged_and_finite(self, vae):
        names = {"loss", "reconstruction_loss"}
        names |= {"kl_loss", "negative_elbo"} if vae.objective.needs_kl else set()
        logs = vae.evaluate(common.data(vae), verbose=0, return_dict=True)
        assert set(logs) == names | set(vae.objective.own_terms)
        assert np.isfinite(list(logs.values())).all()

    def test_its_networks_are_trained(self, trained):
        vae, before = trained
        if not before:
            pytest.skip("it has none")
        for weight, value in zip(vae.objective.trainable_weights, before, strict=True):
            assert not np.allclose(to_numpy(weight), value, atol=1e-7), weight.path

    def test_it_comes_back_from_a_file_and_goes_on(self, vae, tmp_path):
        loaded = common.saved_and_loaded(vae, tmp_path)
        assert type(loaded.objective) is type(vae.objective)
        assert loaded.objective.own_terms == vae.objective.own_terms
        for a, b in zip(vae.optimizer.variables, loaded.optimizer.variables, strict=True):
            np.testing.assert_array_equal(to_numpy(a), to_numpy(b), err_msg=a.path)
        found, expected = (v.fit(common.data(v), verbose=0).history for v in (loaded, vae))
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5, err_msg=name)

    def test_its_config_makes_it_again(self, make):
        objective = make()
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(objective)))
        again = kv.objectives.get(config)
        assert again.own_terms == objective.own_terms
        assert again.logged_weights() == objective.logged_weights()

    def test_a_copy_is_apart(self, vae):
        found = copy.deepcopy(vae.objective)
        assert found.own_terms == vae.objective.own_terms
        for name, value in vae.objective.logged_weights().items():
            assert found.logged_weights()[name] == value
        shared = {id(w) for w in vae.objective.weights} & {id(w) for w in found.weights}
        assert not shared

    def test_a_penalty_can_be_added(self, make):
        objective = make() + Nothing()
        assert type(objective) is type(make())
        vae = common.make_vae(objective=objective)
        logs = common.fit_an_epoch(vae, common.data(vae))
        assert logs["nothing"] == [0.0]
        assert np.isfinite(logs["loss"]).all()

    @pytest.mark.parametrize("policy", common.POLICIES)
    def test_it_is_float32_in_a_step_of_any_policy(self, make, policy):
        with common.dtype_policy(policy):
            vae = common.make_vae(objective=make())
            common.assert_float32_weights(vae.objective)
            logs = common.fit_an_epoch(vae, common.data(vae))
        assert np.isfinite(logs["loss"]).all()
