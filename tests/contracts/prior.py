"""The contract of a prior: what a `keras_vae.priors.Prior` must do to go with all other parts.

For one of your own, in a file of yours:

    class TestMyPrior(PriorContract):
        @pytest.fixture
        def make(self):
            return MyPrior  # a function without arguments to a new prior
"""

import keras
import numpy as np
import pytest
from contracts import common
from contracts.common import LATENT_DIM, assert_mean_is, to_numpy

import keras_vae as kv
from keras_vae import distributions


def _other(prior) -> str:
    """Returns a prior that a model may have been trained with before."""
    return "uniform_on_sphere" if prior.support == "sphere" else "standard_normal"


@pytest.mark.in_turn
class PriorContract(common.SharesTraining):
    """Tests of a prior; a subclass gives the fixture `make`."""

    def train(self, prior):
        vae = common.make_vae(prior, common.posterior_for(prior))
        return common.trained(vae, prior, common.data(vae), epochs=2)

    def test_it_is_a_prior(self, make):
        assert isinstance(make(), kv.priors.Prior)
        assert kv.priors.get(prior := make()) is prior

    def test_shapes_and_dtypes(self, vae):
        prior = vae.prior
        assert tuple(prior.event_shape) == (LATENT_DIM,) == tuple(prior.distribution().event_shape)
        draws = prior.sample(7)
        assert tuple(draws.shape) == (7, LATENT_DIM)
        z = np.stack([to_numpy(draws)] * 4)
        log_prob = prior.log_prob(z)
        assert tuple(log_prob.shape) == (4, 7)
        for value in (draws, log_prob):
            assert keras.backend.standardize_dtype(value.dtype) == "float32"
            assert np.isfinite(to_numpy(value)).all()
        np.testing.assert_allclose(
            to_numpy(prior.log_prob(z[0])), to_numpy(log_prob)[0], rtol=1e-4, atol=1e-4
        )

    def test_seeds(self, vae):
        first, again, other = (to_numpy(vae.prior.sample(6, seed=s)) for s in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.allclose(first, other)
        assert not np.allclose(to_numpy(vae.prior.sample(6)), to_numpy(vae.prior.sample(6)))
        assert len(np.unique(first, axis=0)) == 6

    def test_draws_and_density_are_of_one_distribution(self, vae):
        draws = vae.prior.sample(20_000, seed=3)
        support = vae.prior.support or vae.posterior(common.data(vae, 1)).support
        log_prob = to_numpy(vae.prior.log_prob(draws))
        is_bound = vae.prior.distribution().log_prob_is_bound
        common.assert_density_of_draws(to_numpy(draws), log_prob, support, is_bound)

    def test_closed_forms_agree_with_draws(self, vae):
        distribution = vae.prior.distribution()
        draws = to_numpy(vae.prior.sample(20_000, seed=4))
        if "mean" in distribution.closed_forms:
            assert_mean_is(draws, to_numpy(distribution.mean()))
        if "std" in distribution.closed_forms:
            std = to_numpy(distribution.std())
            assert_mean_is(np.square(draws - draws.mean(axis=0)), np.square(std), 1e-3)

    def test_kl_agrees_with_its_estimate(self, vae):
        q, p = vae.posterior(common.data(vae, 4)), vae.prior.distribution()
        z, log_qz = q.sample_and_log_prob(5000, seed=5)
        kl = to_numpy(distributions.kl_divergence(q, p, z, log_qz))
        estimates = to_numpy(log_qz - p.log_prob(z))
        if distributions.has_closed_form(q, p):
            assert kl.shape == (4,)
            assert_mean_is(estimates, kl, tolerance=1e-3)
        else:
            assert kl.shape == (5000, 4)
            np.testing.assert_allclose(kl, estimates, rtol=1e-4, atol=1e-4)

    def test_its_weights_are_trained(self, trained):
        vae, before = trained
        if not before:
            pytest.skip("it has none")
        for weight, value in zip(vae.prior.trainable_weights, before, strict=True):
            assert not np.allclose(to_numpy(weight), value, atol=1e-6), weight.path

    def test_it_is_fitted_after_training(self, make):
        new = make()
        vae = common.make_vae(posterior=common.posterior_for(new), prior=_other(new))
        vae.fit(x := common.data(vae), verbose=0)
        codes = vae.encode(x)
        history = vae.fit_prior(x, new, epochs=3, batch_size=32, verbose=0).history
        assert vae.prior is new
        assert len(history.get("loss", [])) == (3 if new.trainable_weights else 0)
        np.testing.assert_array_equal(vae.encode(x), codes)
        z, found = to_numpy(new.sample(4, seed=1)), vae.sample(4, seed=1)
        np.testing.assert_allclose(found, vae.decode(z), rtol=1e-5, atol=1e-6)
        assert np.isfinite(vae.fit(x, verbose=0).history["loss"]).all()

    def test_it_comes_back_from_a_file(self, vae, tmp_path):
        copy = common.saved_and_loaded(vae, tmp_path)
        assert type(copy.prior) is type(vae.prior)
        draws = to_numpy(vae.prior.sample(5, seed=6))
        np.testing.assert_allclose(to_numpy(copy.prior.sample(5, seed=6)), draws, rtol=1e-5)
        expected = to_numpy(vae.prior.log_prob(draws))
        np.testing.assert_allclose(to_numpy(copy.prior.log_prob(draws)), expected, rtol=1e-5)
        # Its own random state too.
        np.testing.assert_allclose(
            to_numpy(copy.prior.sample(5)), to_numpy(vae.prior.sample(5)), rtol=1e-5
        )

    @pytest.mark.parametrize("policy", common.POLICIES)
    def test_it_is_float32_in_a_step_of_any_policy(self, make, policy):
        with common.dtype_policy(policy):
            prior, found = make(), set()
            posterior, kl = common.posterior_for(prior), common.recording_kl(found)
            vae = common.make_vae(prior, posterior, kl_divergence=kl)
            common.assert_float32_weights(prior)
            logs = common.fit_an_epoch(vae, common.data(vae))
        assert np.isfinite(logs["loss"]).all()
        assert found == {"float32"}

    def test_what_is_exported_computes_with_it(self, vae, tmp_path):
        common.assert_exported(vae, "score", tmp_path)
