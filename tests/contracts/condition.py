"""The contract of a condition: what a `keras_vae.conditions.Condition` must do in a model.

For one of your own, in a file of yours:

    class TestMyCondition(ConditionContract):
        @pytest.fixture
        def make(self):
            return MyCondition  # a function to a new condition, which takes `unknown`

        @pytest.fixture
        def values(self):
            return np.arange(128) % 5  # what a user passes for 128 rows, not all alike
"""

import json

import keras
import numpy as np
import pytest
from contracts import common
from contracts.common import LATENT_DIM, to_numpy

import keras_vae as kv

N = 128
X = common.X.reshape(N, 2, -1)


class DtypesOfGiven(kv.objectives.Penalty):
    """Adds zero to a bound, and notes in which dtypes a condition arrives."""

    term_names = ("nothing",)

    def __init__(self, note, **kwargs):
        super().__init__(**kwargs)
        self.note = note

    def terms(self, forward):
        tensors = forward.given.as_outputs().values()
        self.note({keras.backend.standardize_dtype(t.dtype) for t in tensors})
        return {"loss": 0.0 * self.strength, "nothing": 0.0}


def make_vae(condition, **kwargs):
    """Returns a small VAE with the condition, compiled and not built."""
    likelihood = "poisson" if condition.gives_exposure else "bernoulli"
    encoder = kv.VariationalEncoder(LATENT_DIM, kv.networks.DenseEncoder((8,)))
    decoder = kv.networks.DenseDecoder(X.shape[1:], (8,))
    vae = kv.VAE(encoder, decoder, likelihood, condition=condition, **kwargs)
    vae.compile(keras.optimizers.Adam(1e-2))
    return vae


def rows_of(values, some):
    """Returns some of the rows of what a user passes, or one alone."""
    if isinstance(values, dict):
        return {name: rows_of(part, some) for name, part in values.items()}
    return values[some]


def as_json(condition):
    """Returns the config of a condition as a file has it."""
    return json.loads(json.dumps(keras.saving.serialize_keras_object(condition)))


def given(condition, values, training=False):
    """Returns what values give, read and embedded, as arrays by name."""
    found = condition.given(condition.as_tree(condition.read(values)), training)
    return {name: to_numpy(tensor) for name, tensor in found.as_outputs().items()}


@pytest.mark.in_turn
class ConditionContract:
    """Tests of a condition; a subclass gives the fixtures `make` and `values`.

    `allows_unknown` says that `make(unknown=0.5)` makes one whose rows may be unknown.
    """

    allows_unknown = True

    @pytest.fixture
    def vae(self, request, make, values):
        """A model that has trained with the condition for a moment; the tests share it."""
        return common.once(self, request, lambda: self.trained(make(), values))

    def trained(self, condition, values):
        vae = make_vae(condition)
        vae.fit(X, condition=values, epochs=2, verbose=0)
        return vae

    def test_it_is_a_condition(self, make):
        condition = make()
        assert isinstance(condition, kv.conditions.Condition)
        assert kv.conditions.get(condition) is condition
        assert all(isinstance(p, kv.conditions.Condition) for p in condition.by_name().values())
        assert condition.size is None or condition.size >= 0

    def test_values_are_read_as_rows(self, make, values):
        condition = make()
        read = condition.read(values, N, learn=True)
        assert read.keys() == condition.by_name().keys()
        for name, part in condition.by_name().items():
            assert len(read[name]) == N
            assert read[name].dtype == part.row_dtype
            assert not part.unknown_rows(read[name]).any()
            if part.row_shape is not None:
                assert read[name].shape[1:] == tuple(part.row_shape)
                one = condition.read(rows_of(values, 3), 5)[name]
                np.testing.assert_array_equal(one, np.stack([read[name][3]] * 5))
                assert isinstance(part.label(read[name][0]), str)
        with pytest.raises(ValueError, match=f"rows, but there are {N - 1}"):
            condition.read(values, N - 1)

    def test_what_is_missing_is_said(self, make):
        if self.allows_unknown:
            with pytest.raises(ValueError, match="is missing: pass it, or make the condition with"):
                make(unknown=None).read(None, 5)
        else:
            with pytest.raises(ValueError, match="is missing: pass it"):
                make().read(None, 5)

    def test_what_it_gives(self, vae, values):
        condition = vae.condition
        found = given(condition, values)
        assert ("condition_vector" in found) == (condition.size > 0)
        assert ("log_exposure" in found) == condition.gives_exposure
        if condition.size:
            assert found["condition_vector"].shape == (N, condition.size)
        if condition.gives_exposure:
            assert found["log_exposure"].shape == (N,)
        for array in found.values():
            assert array.dtype == "float32"
            assert np.isfinite(array).all()
        # Each row's is its own, and there are several.
        some = given(condition, rows_of(values, slice(3, 9)))
        for name in found.keys() - {"log_typical"}:
            np.testing.assert_allclose(some[name], found[name][3:9], rtol=1e-5, atol=1e-6)
            assert len(np.unique(found[name], axis=0)) > 1

    def test_each_call_takes_it(self, vae, values):
        few, x = rows_of(values, slice(0, 6)), X[:6]
        z = vae.encode(x, condition=few)
        for found in (
            z,
            vae.encode(x, condition=few, draw=True, seed=1),
            vae.reconstruct(x, condition=few),
            vae.score(x, condition=few),
            vae.sample(6, seed=1, condition=few),
            vae.log_likelihood(x, 10, condition=few).log_likelihood,
        ):
            assert found.shape[0] == 6
            assert np.isfinite(found).all()
        for i in (0, 5):
            one = vae.decode(z, condition=rows_of(values, i))
            np.testing.assert_allclose(
                vae.decode(z, condition=few)[i], one[i], rtol=1e-4, atol=1e-5
            )

    def test_its_weights_are_trained(self, make, values):
        vae = make_vae(make())
        vae.fit(X[:32], condition=rows_of(values, slice(0, 32)), verbose=0)
        before = {w.path: to_numpy(w) for w in vae.condition.trainable_weights}
        vae.fit(X, condition=values, epochs=2, verbose=0)
        for weight in vae.condition.trainable_weights:
            assert not np.allclose(to_numpy(weight), before[weight.path], atol=1e-6), weight.path

    def test_a_stream_brings_the_same_rows(self, vae, values):
        condition = vae.condition
        tree = condition.as_tree(condition.read(values))

        def batches():
            for start in range(0, N, 32):
                rows = slice(start, start + 32)
                yield {"x": X[rows], "condition": rows_of(tree, rows)}

        expected = vae.encode(X, condition=values)
        np.testing.assert_allclose(vae.encode(batches()), expected, rtol=1e-5, atol=1e-6)
        losses = vae.fit(batches(), verbose=0).history["loss"]
        assert np.isfinite(losses).all()

    def test_its_config_makes_it_again(self, make):
        condition = make()
        config = as_json(condition)
        again = kv.conditions.get(config)
        assert type(again) is type(condition)
        assert again.size == condition.size
        assert as_json(again) == config

    def test_it_comes_back_from_a_file_and_goes_on(self, vae, values, tmp_path):
        copy = common.saved_and_loaded(vae, tmp_path)
        assert type(copy.condition) is type(vae.condition)
        expected = given(vae.condition, values)
        for name, array in given(copy.condition, values).items():
            np.testing.assert_allclose(array, expected[name], rtol=1e-6, err_msg=name)
        found, expected = (
            v.fit(X, condition=values, verbose=0).history["loss"] for v in (copy, vae)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-5)

    @pytest.mark.parametrize("policy", common.POLICIES)
    def test_it_is_float32_in_a_step_of_any_policy(self, make, values, policy):
        found = set()
        with common.dtype_policy(policy):
            objective = kv.objectives.ELBO() + DtypesOfGiven(found.update)
            vae = make_vae(make(), objective=objective)
            logs = common.fit_an_epoch(vae, X, condition=values)
            common.assert_float32_weights(vae.condition)
        assert np.isfinite(logs["loss"]).all()
        assert found == {"float32"}

    # Where rows may be unknown

    def test_unknown_rows_have_a_learned_vector(self, make, values):
        if not self.allows_unknown:
            pytest.skip("must be known of each row")
        vae = make_vae(make(unknown=0.5))
        vae.fit(X, condition=values, epochs=2, verbose=0)
        condition = vae.condition
        learned = to_numpy(condition.unknown_vector)
        assert np.abs(learned).max() > 0.0
        vectors = given(condition, values)["condition_vector"]
        assert not (vectors == learned).all(axis=1).any()  # known ones stay outside of training
        unknown = condition.read(None, N)["condition"]
        assert condition.unknown_rows(unknown).all()
        found = to_numpy(condition.given(unknown).vector)
        np.testing.assert_array_equal(found, np.stack([learned] * N))
        dropped = given(condition, values, training=True)["condition_vector"]
        share = (dropped == learned).all(axis=1).mean()
        assert abs(share - 0.5) < 5 * 0.5 / N**0.5
        stream = iter([{"x": X, "condition": unknown}])
        np.testing.assert_allclose(vae.encode(stream), vae.encode(X), rtol=1e-6)
