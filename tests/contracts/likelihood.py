"""The contract of a likelihood: what a `keras_vae.likelihoods.Likelihood` must do.

For one of your own, in a file of yours:

    class TestMyLikelihood(LikelihoodContract):
        @pytest.fixture
        def make(self):
            return MyLikelihood  # a function without arguments to a new likelihood
"""

import keras
import numpy as np
import pytest
from contracts import common
from contracts.common import assert_mean_is, to_numpy

import keras_vae as kv

N_DRAWS, BATCH = 5, 4


@pytest.mark.in_turn
class LikelihoodContract:
    """Tests of a likelihood; a subclass gives the fixture `make`.

    It is given zeros and ones, or where its `check_target` refuses these, numbers between them;
    for any other target the subclass defines `target(rng, shape)`.
    """

    def target(self, rng, shape):
        """Returns a valid target of the shape."""
        x = np.zeros(shape, "float32")
        np.put_along_axis(x, rng.integers(shape[-1], size=(*shape[:-1], 1)), 1.0, axis=-1)
        return x  # one-hot: of bits, categories, counts and real values alike

    @pytest.fixture
    def vae(self, request, make):
        """A model that has trained with the likelihood for a moment; the tests share it."""
        return common.once(self, request, lambda: self.trained(make()))

    def trained(self, likelihood):
        vae = common.make_vae(likelihood=likelihood)
        vae.fit(self.data(vae), epochs=2, verbose=0)
        return vae

    def data(self, vae, rows=128):
        target = self.target(np.random.default_rng(0), (rows, *vae.input_features))
        return common.suited(vae.likelihood, target)

    @staticmethod
    def params(vae, n=None):
        codes = np.random.default_rng(1).normal(size=(BATCH, common.LATENT_DIM)).astype("float32")
        params = vae.params_given(keras.ops.array(codes))
        return params if n is None else keras.ops.stack([params] * n)

    def test_it_is_a_likelihood(self, make):
        assert isinstance(make(), kv.likelihoods.Likelihood)
        assert kv.likelihoods.get(likelihood := make()) is likelihood
        assert likelihood.params_per_feature >= 1

    def test_shapes_and_dtypes(self, vae):
        likelihood, target = vae.likelihood, self.data(vae, BATCH)
        one, several = self.params(vae), self.params(vae, N_DRAWS)
        log_prob = likelihood.log_prob(target, one)
        values = {
            (BATCH,): log_prob,
            (N_DRAWS, BATCH): likelihood.log_prob(target, several),
            target.shape: likelihood.mean(one),
            (N_DRAWS, *target.shape): likelihood.mean(several),
        }
        for shape, value in values.items():
            assert tuple(value.shape) == shape
            assert keras.backend.standardize_dtype(value.dtype) == "float32"
            assert np.isfinite(to_numpy(value)).all()
        np.testing.assert_allclose(
            to_numpy(values[N_DRAWS, BATCH])[2], to_numpy(log_prob), rtol=1e-4, atol=1e-4
        )

    def test_its_features_add_up_to_its_log_prob(self, vae):
        if not vae.likelihood.comes_apart:
            pytest.skip("its log_prob is not a sum over features")
        x = self.data(vae, BATCH)
        found = vae.score_per_feature(x)
        assert found.shape == x.shape
        log_px = vae.likelihood.log_prob(x, vae.params_given(keras.ops.array(vae.encode(x))))
        expected = to_numpy(log_px)
        np.testing.assert_allclose(found.sum(axis=(1, 2)), expected, rtol=1e-4, atol=1e-4)

    def test_it_makes_a_distribution(self, vae):
        likelihood, params = vae.likelihood, self.params(vae)
        distribution = likelihood.distribution(params)
        assert isinstance(distribution, kv.distributions.Distribution)
        target = self.data(vae, N_DRAWS * BATCH)
        targets = target.reshape(N_DRAWS, BATCH, *target.shape[1:])
        assert tuple(distribution.event_shape) == target.shape[1:]
        np.testing.assert_allclose(
            to_numpy(distribution.log_prob(targets)),
            np.stack([to_numpy(likelihood.log_prob(rows, params)) for rows in targets]),
            rtol=1e-4,
            atol=1e-4,
        )
        np.testing.assert_array_equal(
            to_numpy(distribution.mean()), to_numpy(likelihood.mean(params))
        )
        if likelihood.can_draw:
            assert tuple(distribution.sample(N_DRAWS, seed=1).shape) == targets.shape

    def test_draws_are_of_its_mean(self, vae):
        likelihood = vae.likelihood
        if not likelihood.can_draw:
            with pytest.raises(ValueError, match="no draws of x"):
                vae.decode(np.zeros((1, common.LATENT_DIM), "float32"), draw=True)
            return
        many = self.params(vae, 4000)
        draws = to_numpy(likelihood.sample(many, seed=1))
        assert draws.shape == (4000, BATCH, *vae.target_features)
        np.testing.assert_array_equal(draws, to_numpy(likelihood.sample(many, seed=1)))
        assert not np.array_equal(draws, to_numpy(likelihood.sample(many, seed=2)))
        assert_mean_is(draws, to_numpy(likelihood.mean(self.params(vae))), tolerance=2e-3)
        assert np.isfinite(to_numpy(likelihood.log_prob(draws[0], self.params(vae)))).all()

    def test_what_is_masked_costs_nothing(self, vae):
        likelihood, target, params = vae.likelihood, self.data(vae, BATCH), self.params(vae)
        try:
            all_of_it = to_numpy(likelihood.log_prob(target, params, np.ones(target.shape, bool)))
        except ValueError as error:
            assert "cannot be masked" in str(error)
            return
        expected = to_numpy(likelihood.log_prob(target, params))
        np.testing.assert_allclose(all_of_it, expected, rtol=1e-5, atol=1e-5)
        none = to_numpy(likelihood.log_prob(target, params, np.zeros(target.shape, bool)))
        np.testing.assert_array_equal(none, 0.0)
        # The halves of rows, of which neither counts what the other does.
        first = np.broadcast_to(np.arange(2)[:, None] == 0, target.shape)
        halves = (to_numpy(likelihood.log_prob(target, params, m)) for m in (first, ~first))
        np.testing.assert_allclose(sum(halves), expected, rtol=1e-4, atol=1e-4)

    def test_what_is_missing_leaves_training_finite(self, make):
        try:
            likelihood = kv.likelihoods.Masked(make())
        except ValueError as error:
            assert "one value per sample" in str(error)
            return
        vae = common.make_vae(likelihood=likelihood)
        x = self.data(vae)
        x[::2, 0] = np.nan
        assert np.isfinite(common.fit_an_epoch(vae, x)["loss"]).all()
        for weight in vae.trainable_weights:
            assert np.isfinite(to_numpy(weight)).all(), weight.path

    def test_it_comes_back_from_a_file(self, vae, tmp_path):
        copy = common.saved_and_loaded(vae, tmp_path)
        assert type(copy.likelihood) is type(vae.likelihood)
        x = self.data(vae, 8)
        np.testing.assert_allclose(copy.score(x), vae.score(x), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(copy.reconstruct(x), vae.reconstruct(x), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("policy", common.POLICIES)
    def test_it_is_float32_in_a_step_of_any_policy(self, make, policy):
        with common.dtype_policy(policy):
            likelihood, found = make(), set()
            log_prob = likelihood.log_prob

            def recording(*args, **kwargs):
                value = log_prob(*args, **kwargs)
                found.add(keras.backend.standardize_dtype(value.dtype))
                return value

            vae = common.make_vae(likelihood=likelihood)
            likelihood.log_prob = recording
            common.assert_float32_weights(likelihood)
            logs = common.fit_an_epoch(vae, self.data(vae))
        assert np.isfinite(logs["loss"]).all()
        assert found == {"float32"}

    def test_what_is_exported_computes_with_it(self, vae, tmp_path):
        common.assert_exported(vae, "score", tmp_path)
