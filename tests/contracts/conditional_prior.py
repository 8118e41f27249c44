"""The contract of a prior that depends on a condition, a `keras_vae.priors.ConditionalPrior`.

For one of your own, in a file of yours:

    class TestMyPrior(ConditionalPriorContract):
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

N_CLASSES = 3
C = np.arange(128) % N_CLASSES
# Data that differ by class, so that a prior has something to learn.
X = np.where((C == 0)[:, None], 1.0 - common.X, common.X).reshape(128, 2, -1)


def make_vae(prior, **kwargs):
    """Returns a small VAE with a condition of three classes."""
    return common.make_vae(prior, condition=kv.conditions.OneHot(N_CLASSES), **kwargs)


def given(vae, classes):
    """Returns p(z|c) for a row of each class."""
    return vae.prior.given(vae.condition.given(np.asarray(classes, "int32")))


@pytest.mark.in_turn
class ConditionalPriorContract(common.SharesTraining):
    """Tests of a conditional prior; a subclass gives the fixture `make`."""

    def train(self, prior):
        return common.trained(make_vae(prior), prior, X, condition=C, epochs=4)

    def test_it_is_a_conditional_prior(self, make):
        assert isinstance(make(), kv.priors.ConditionalPrior)

    def test_it_is_refused_without_a_condition(self, make, vae):
        with pytest.raises(ValueError, match=r"lacks. Give it one, VAE\(.*condition="):
            common.make_vae(make())
        prior = make()
        with pytest.raises(ValueError, match=r"lacks. Give it one, VAE\(.*condition="):
            prior.build((None, LATENT_DIM))
        for call in (lambda: vae.prior.sample(3), lambda: vae.prior.log_prob(np.zeros((1, 3)))):
            with pytest.raises(ValueError, match="needs a condition"):
                call()

    def test_a_posterior_elsewhere_is_refused(self, make):
        if make().support == "real":
            with pytest.raises(ValueError, match="is a prior on all of R"):
                make_vae(make(), posterior="von_mises_fisher")

    def test_shapes_and_dtypes(self, vae):
        prior = given(vae, [0, 1, 2, 1])
        assert tuple(prior.distribution().event_shape) == (LATENT_DIM,)
        draws = prior.sample_rows(5, 4, seed=1)
        assert tuple(draws.shape) == (20, LATENT_DIM)
        z = np.reshape(to_numpy(draws), (5, 4, LATENT_DIM))
        log_prob = prior.log_prob(z)
        assert tuple(log_prob.shape) == (5, 4)
        for value in (draws, log_prob):
            assert keras.backend.standardize_dtype(value.dtype) == "float32"
            assert np.isfinite(to_numpy(value)).all()
        # Each row by its own condition.
        for row, c in enumerate([0, 1, 2, 1]):
            alone = to_numpy(given(vae, [c]).log_prob(z[:, row : row + 1]))[:, 0]
            np.testing.assert_allclose(to_numpy(log_prob)[:, row], alone, rtol=1e-4, atol=1e-4)

    def test_it_depends_on_the_condition(self, vae):
        z = np.zeros((N_CLASSES, LATENT_DIM), "float32")
        log_prob = to_numpy(given(vae, range(N_CLASSES)).log_prob(z))
        assert len(np.unique(log_prob.round(4))) == N_CLASSES

    def test_seeds(self, vae):
        prior = given(vae, [0, 0])
        first, again, other = (to_numpy(prior.sample_rows(4, 2, seed=s)) for s in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.allclose(first, other)
        assert not np.allclose(*(to_numpy(prior.sample_rows(4, 2)) for _ in range(2)))
        assert len(np.unique(first, axis=0)) == 8

    def test_draws_and_density_are_of_one_distribution(self, vae):
        prior = given(vae, [0, 1])
        draws = prior.distribution().sample(20_000, seed=3)
        log_prob, draws = to_numpy(prior.log_prob(draws)), to_numpy(draws)
        for row in range(2):
            support = vae.prior.support
            common.assert_density_of_draws(draws[:, row], log_prob[:, row], support)

    def test_kl_agrees_with_its_estimate(self, vae):
        x, c = X[:4], C[:4]
        q = vae.posterior(keras.ops.convert_to_tensor(x), given=vae.condition.given(c))
        p = given(vae, c).distribution()
        z, log_qz = q.sample_and_log_prob(5000, seed=5)
        kl = to_numpy(distributions.kl_divergence(q, p, z, log_qz))
        estimates = to_numpy(log_qz - p.log_prob(z))
        if distributions.has_closed_form(q, p):
            assert kl.shape == (4,)
            assert_mean_is(estimates, kl, tolerance=1e-3)
        else:
            np.testing.assert_allclose(kl, estimates, rtol=1e-4, atol=1e-4)

    def test_its_weights_are_trained(self, trained):
        vae, before = trained
        for weight, value in zip(vae.prior.trainable_weights, before, strict=True):
            assert not np.allclose(to_numpy(weight), value, atol=1e-6), weight.path

    def test_it_comes_back_from_a_file_and_goes_on(self, vae, tmp_path):
        copy = common.saved_and_loaded(vae, tmp_path)
        assert type(copy.prior) is type(vae.prior)
        draws = to_numpy(given(vae, [0, 1, 2]).sample_rows(1, 3, seed=6))
        np.testing.assert_allclose(
            to_numpy(given(copy, [0, 1, 2]).sample_rows(1, 3, seed=6)), draws, rtol=1e-5
        )
        expected = to_numpy(given(vae, [0, 1, 2]).log_prob(draws))
        np.testing.assert_allclose(
            to_numpy(given(copy, [0, 1, 2]).log_prob(draws)), expected, rtol=1e-5
        )
        losses = [m.fit(X, condition=C, verbose=0).history["loss"] for m in (vae, copy)]
        np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)

    @pytest.mark.parametrize("policy", common.POLICIES)
    def test_it_is_float32_in_a_step_of_any_policy(self, make, policy):
        with common.dtype_policy(policy):
            prior, found = make(), set()
            vae = make_vae(prior, kl_divergence=common.recording_kl(found))
            common.assert_float32_weights(prior)
            logs = common.fit_an_epoch(vae, X, condition=C)
        assert np.isfinite(logs["loss"]).all()
        assert found == {"float32"}

    def test_the_model_samples_and_scores_with_it(self, vae):
        assert np.isfinite(vae.sample(6, seed=1, condition=[0, 1, 2, 0, 1, 2])).all()
        z = vae.encode(X[:6], condition=C[:6])
        log_pz = to_numpy(given(vae, C[:6]).log_prob(z))
        assert np.isfinite(vae.score(X[:6], condition=C[:6])).all()
        assert np.isfinite(log_pz).all()
