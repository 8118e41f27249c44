"""The contract of a posterior: what a `keras_vae.posteriors.PosteriorHead` must do.

For one of your own, in a file of yours:

    class TestMyHead(PosteriorContract):
        @pytest.fixture
        def make(self):
            return MyHead  # a function without arguments to a new head
"""

import keras
import numpy as np
import pytest
from contracts import common
from contracts.common import LATENT_DIM, assert_mean_is, to_numpy

import keras_vae as kv
from keras_vae import distributions

PRIORS = {"real": "standard_normal", "sphere": "uniform_on_sphere"}


@pytest.mark.in_turn
class PosteriorContract(common.SharesTraining):
    """Tests of a posterior's head; a subclass gives the fixture `make`."""

    @staticmethod
    def make_vae(head, **kwargs):
        if not head.distribution_class.has_density:
            kwargs["objective"] = kv.objectives.RAE()
        prior = PRIORS[head.distribution_class.support]
        return common.make_vae(prior, head, **kwargs)

    def train(self, head):
        vae = self.make_vae(head)
        return common.trained(vae, head, common.data(vae), epochs=2)

    @pytest.fixture
    def posterior(self, vae):
        """The posterior of 4 rows."""
        return vae.posterior(keras.ops.convert_to_tensor(common.data(vae, 4)))

    def test_it_is_a_head(self, make):
        assert isinstance(make(), kv.posteriors.PosteriorHead)
        assert kv.posteriors.get(head := make()) is head
        assert issubclass(head.distribution_class, kv.posteriors.Posterior)
        assert head.param_names[0] == "z_mean" and head.draw_names[-1] == "z"

    def test_shapes_and_dtypes(self, vae, posterior):
        assert tuple(posterior.event_shape) == (LATENT_DIM,)
        assert tuple(posterior.z_mean.shape) == (4, LATENT_DIM)
        z, log_prob = posterior.sample_and_log_prob(6)
        assert tuple(z.shape) == (6, 4, LATENT_DIM) and tuple(log_prob.shape) == (6, 4)
        code, log_prob_of_code = posterior.code_and_log_prob()
        assert tuple(code.shape) == (4, LATENT_DIM) and tuple(log_prob_of_code.shape) == (4,)
        params = vae.posterior_params(common.data(vae, 4))
        assert tuple(params) == vae.encoder.head.param_names
        of_density = (log_prob, log_prob_of_code) if posterior.has_density else ()
        for value in (z, code, *of_density, *params.values()):
            assert keras.backend.standardize_dtype(value.dtype) == "float32"
            assert np.isfinite(to_numpy(value)).all()

    def test_seeds(self, posterior):
        if not posterior.has_density:
            pytest.skip("a point draws nothing")
        first, again, other = (to_numpy(posterior.sample(3, seed=s)) for s in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.allclose(first, other)
        assert not np.allclose(to_numpy(posterior.sample(3)), to_numpy(posterior.sample(3)))

    def test_what_has_no_density_is_where_it_says(self, vae, posterior):
        if posterior.has_density:
            pytest.skip("it has a density")
        draws, x = to_numpy(posterior.sample(3)), common.data(vae, 4)
        np.testing.assert_array_equal(draws, np.stack([to_numpy(posterior.z_mean)] * 3))
        np.testing.assert_array_equal(vae.encode(x, draw=True), vae.encode(x))
        for function in (vae.score, vae.log_likelihood):
            with pytest.raises(ValueError, match="has no density"):
                function(x)
        with pytest.raises(ValueError, match="has no density"):
            posterior.log_prob(posterior.z_mean)

    def test_a_draw_and_its_log_probability_go_together(self, posterior):
        if not posterior.has_density:
            pytest.skip("there is no log-probability")
        draws, log_prob = map(to_numpy, posterior.sample_and_log_prob(20_000, seed=3))
        for row in range(4):
            common.assert_density_of_draws(draws[:, row], log_prob[:, row], posterior.support)
        if posterior.knows_any_z:
            np.testing.assert_allclose(
                to_numpy(posterior.log_prob(draws[:50])), log_prob[:50], rtol=1e-3, atol=2e-3
            )

    def test_closed_forms_agree_with_draws(self, posterior):
        draws = to_numpy(posterior.sample(20_000, seed=4)).astype("float64")
        centred = draws - draws.mean(axis=0)
        known = posterior.closed_forms
        assert all(callable(getattr(posterior, name)) for name in known)
        if "mean" in known:
            assert_mean_is(draws, to_numpy(posterior.mean()))
        if "std" in known:
            assert_mean_is(np.square(centred), np.square(to_numpy(posterior.std())), 1e-4)
        if "covariance" in known:
            outer = centred[..., None] * centred[..., None, :]
            assert_mean_is(outer, to_numpy(posterior.covariance()), 1e-4)
            weight = np.array([0.1, 0.2, 0.3, 0.4], "float32")
            found = to_numpy(posterior.mean_covariance(keras.ops.array(weight)))
            expected = np.einsum("i,ijk", weight, to_numpy(posterior.covariance()))
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        if "marginal_log_prob" in known:
            # Of draws z_d, r(z_d) / q(z_d) has the mean 1, as in `assert_density_of_draws`.
            sigma = 0.5 * draws.std(axis=0)
            standard = (draws - np.median(draws, axis=0)) / sigma
            log_r = -0.5 * np.square(standard) - np.log(sigma * np.sqrt(2.0 * np.pi))
            log_q = to_numpy(posterior.marginal_log_prob(draws.astype("float32")))
            assert_mean_is(np.exp(log_r - log_q), 1.0, 1e-3)
        if "mode" in known and posterior.knows_any_z:
            at_mode = to_numpy(posterior.log_prob(posterior.mode()))
            assert (at_mode >= to_numpy(posterior.log_prob(draws)) - 1e-3).all()

    def test_what_it_does_not_know_it_says(self, posterior):
        for name in ("mean", "mode", "std", "covariance"):
            if name not in posterior.closed_forms:
                with pytest.raises(distributions.NoClosedFormError, match=name):
                    getattr(posterior, name)()

    def test_kl_agrees_with_its_estimate(self, vae, posterior):
        if not posterior.has_density:
            pytest.skip("there is no KL")
        prior = vae.prior.distribution()
        z, log_qz = posterior.sample_and_log_prob(5000, seed=5)
        kl = to_numpy(distributions.kl_divergence(posterior, prior, z, log_qz))
        if distributions.has_closed_form(posterior, prior):
            assert_mean_is(to_numpy(log_qz - prior.log_prob(z)), kl, tolerance=1e-3)
            assert (kl >= -1e-5).all()
        if distributions.has_kl_per_dimension(posterior, prior):
            shares = to_numpy(distributions.kl_per_dimension(posterior, prior))
            np.testing.assert_allclose(shares.sum(axis=-1), kl, rtol=1e-4, atol=1e-5)

    def test_rows_of_it(self, posterior):
        taken = posterior.take(keras.ops.array([2, 0]))
        z_mean = to_numpy(posterior.z_mean)
        np.testing.assert_array_equal(to_numpy(taken.z_mean), z_mean[[2, 0]])
        _, log_prob = posterior.code_and_log_prob()
        _, of_taken = taken.code_and_log_prob()
        np.testing.assert_allclose(
            to_numpy(of_taken), to_numpy(log_prob)[[2, 0]], rtol=1e-4, atol=1e-4
        )

    def test_its_weights_are_trained(self, trained):
        vae, before = trained
        for weight, value in zip(vae.encoder.head.trainable_weights, before, strict=True):
            assert not np.array_equal(to_numpy(weight), value), weight.path

    def test_it_comes_back_from_a_file(self, vae, tmp_path):
        copy = common.saved_and_loaded(vae, tmp_path)
        assert type(copy.encoder.head) is type(vae.encoder.head)
        x = common.data(vae, 8)
        np.testing.assert_allclose(copy.encode(x), vae.encode(x), rtol=1e-5, atol=1e-6)
        draws = vae.encode(x, draw=True, seed=6)
        np.testing.assert_allclose(copy.encode(x, draw=True, seed=6), draws, rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("policy", common.POLICIES)
    def test_it_is_float32_in_a_step_of_any_policy(self, make, policy):
        with common.dtype_policy(policy):
            found, head = set(), make()
            has_density = head.distribution_class.has_density
            kl = {"kl_divergence": common.recording_kl(found)} if has_density else {}
            vae = self.make_vae(head, **kl)
            common.assert_float32_weights(vae.encoder.head)
            logs = common.fit_an_epoch(vae, common.data(vae))
            params = vae.posterior_params(common.data(vae, 4))
        assert np.isfinite(logs["loss"]).all()
        found |= {keras.backend.standardize_dtype(value.dtype) for value in params.values()}
        assert found == {"float32"}

    def test_what_is_exported_computes_with_it(self, vae, tmp_path):
        common.assert_exported(vae, "encode", tmp_path)
