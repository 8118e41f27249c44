"""The KL's parts: identities, densities of SciPy, and posteriors whose information is known."""

import itertools

import keras
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import keras_vae as kv
from keras_vae import evaluation
from keras_vae.evaluation.aggregate_posterior import _batch_weights

RNG = np.random.default_rng(0)
MEAN, LOG_VAR = RNG.normal(size=(40, 3)), RNG.normal(size=(40, 3)) - 1.0
Z = MEAN + np.exp(LOG_VAR / 2) * RNG.normal(size=(2, 40, 3))


def test_the_parts_are_means_of_scipys_densities():
    each = stats.norm(MEAN, np.exp(LOG_VAR / 2)).logpdf(Z[:, :, None])  # (draws, z, posterior, d)
    own = np.einsum("sijd->sij", each).diagonal(axis1=1, axis2=2).mean()
    log_q = logsumexp(each.sum(-1), axis=2).mean() - np.log(40)
    log_q_each = (logsumexp(each, axis=2) - np.log(40)).sum(-1).mean()
    log_p = stats.norm.logpdf(Z).sum(-1).mean()
    found = evaluation.kl_decomposition(MEAN, LOG_VAR, Z)
    assert found.mutual_information == pytest.approx(own - log_q)
    assert found.total_correlation == pytest.approx(log_q - log_q_each)
    assert found.dimension_wise_kl == pytest.approx(log_q_each - log_p)
    assert found.marginal_kl == pytest.approx(log_q - log_p)
    assert found.sampled_kl == pytest.approx(own - log_p)
    for name in ("mutual_information", "total_correlation", "dimension_wise_kl", "marginal_kl"):
        assert getattr(evaluation, name)(MEAN, LOG_VAR, Z) == getattr(found, name)
    others = np.where(np.eye(40, dtype=bool), -np.inf, each.sum(-1))
    expected = own - (logsumexp(others, axis=2).mean() - np.log(39))
    found = evaluation.mutual_information(MEAN, LOG_VAR, Z, leave_one_out=True)
    assert found == pytest.approx(expected)


def test_a_closed_entropy_is_that_of_scipys_normals():
    log_q = stats.norm(MEAN, np.exp(LOG_VAR / 2)).logpdf(Z[:, :, None]).sum(-1)
    entropy = stats.norm(MEAN, np.exp(LOG_VAR / 2)).entropy().sum(axis=1).mean()
    expected = -entropy - (logsumexp(log_q, axis=2).mean() - np.log(40))
    found = evaluation.mutual_information(MEAN, LOG_VAR, Z, closed_entropy=True)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("estimator", ["weighted", "stratified"])
def test_of_a_minibatch_it_is_what_the_objective_estimates(estimator):
    from keras_vae import distributions, objectives

    mean, log_var, z = (keras.ops.convert_to_tensor(a, "float32") for a in (MEAN, LOG_VAR, Z))
    n, prior = len(MEAN), kv.priors.StandardNormal()
    prior.build((None, 3))
    forward = objectives.Forward(
        x=keras.ops.zeros((n, 1)), target=keras.ops.zeros((n, 1)), params=keras.ops.zeros((n, 1)),
        posterior=distributions.DiagonalNormal(mean, log_var),
        prior=prior, likelihood=kv.likelihoods.Gaussian(),
        z=z, sample_weight=keras.ops.ones(n) / n, decode=None, data_size=500,
    )  # fmt: skip
    terms = objectives.BetaTCVAE(estimator=estimator).terms(forward)
    found = evaluation.kl_decomposition(MEAN, LOG_VAR, Z, n_data=500, estimator=estimator)
    for name in ("mutual_information", "total_correlation", "dimension_wise_kl"):
        value = float(keras.ops.mean(terms[name]))
        assert getattr(found, name) == pytest.approx(value, rel=1e-4, abs=1e-5)
    assert found.sampled_kl == pytest.approx(
        evaluation.kl_decomposition(MEAN, LOG_VAR, Z).sampled_kl
    )


def test_a_stratified_minibatch_of_all_rows_in_turn_has_the_density_of_all():
    """Each other row comes as often as any: the mean of the estimated q(z) is q(z)."""
    rows = [[0, *rest] for rest in itertools.permutations(range(1, 5), 2)]
    log_q = stats.norm(MEAN[:5, 0], np.exp(LOG_VAR[:5, 0] / 2)).pdf(0.3)
    weights = _batch_weights(3, 5, "stratified")
    found = np.mean([log_q[row] @ weights for row in rows])
    assert found == pytest.approx(log_q.mean())


def test_the_sampled_kl_tends_to_the_closed_form():
    found = evaluation.kl_decomposition(MEAN, LOG_VAR, n_samples=2000)
    var = np.exp(LOG_VAR)
    expected = (0.5 * (MEAN**2 + var - 1 - LOG_VAR)).sum(axis=1).mean()
    assert found.kl == pytest.approx(expected)
    assert found.sampled_kl == pytest.approx(expected, rel=0.01)


def test_information_of_posteriors_that_are_far_apart_is_the_log_of_their_number():
    mean = np.array([[0.0], [100.0], [200.0], [300.0]])
    assert evaluation.mutual_information(mean, mean * 0) == pytest.approx(np.log(4))
    same = evaluation.kl_decomposition(np.zeros((5, 2)), np.zeros((5, 2)), n_samples=3)
    np.testing.assert_allclose(same, 0.0, atol=1e-12)
    # Two latents that tell the same thing: total correlation log 4.
    both = np.column_stack([mean, mean])
    assert evaluation.total_correlation(both, both * 0) == pytest.approx(np.log(4))


def test_densities_in_chunks_are_the_same(monkeypatch):
    from keras_vae.evaluation import aggregate_posterior

    whole = evaluation.kl_decomposition(MEAN, LOG_VAR, Z)
    alone = evaluation.mutual_information(MEAN, LOG_VAR, Z, leave_one_out=True)
    monkeypatch.setattr(aggregate_posterior, "_MAX_TABLE", 40 * 3 * 7)
    np.testing.assert_allclose(evaluation.kl_decomposition(MEAN, LOG_VAR, Z), whole)
    again = evaluation.mutual_information(MEAN, LOG_VAR, Z, leave_one_out=True)
    assert again == pytest.approx(alone)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="same shape"):
        evaluation.kl_decomposition(MEAN, LOG_VAR[:, :2])
    with pytest.raises(ValueError, match="log_var has NaN"):
        evaluation.total_correlation(MEAN, LOG_VAR * np.nan)
    with pytest.raises(ValueError, match="z must hold finite draws"):
        evaluation.marginal_kl(MEAN, LOG_VAR, Z[:, :5])
    with pytest.raises(ValueError, match="two posteriors"):
        evaluation.mutual_information(MEAN[:1], LOG_VAR[:1], leave_one_out=True)
    with pytest.raises(ValueError, match="received 40 and n_data=39"):
        evaluation.kl_decomposition(MEAN, LOG_VAR, n_data=39)
    with pytest.raises(ValueError, match="estimator must be one of"):
        evaluation.kl_decomposition(MEAN, LOG_VAR, n_data=50, estimator="exact")


def vae_of(posterior="diagonal_normal", **parts):
    keras.utils.set_random_seed(0)
    encoder = kv.VariationalEncoder(2, keras.layers.Flatten(), posterior=posterior)
    vae = kv.VAE(encoder, kv.networks.DenseDecoder(4, (4,)), **parts)
    vae.build((None, 4))
    return vae


def test_of_a_model_it_is_that_of_its_posteriors():
    vae, x = vae_of(), RNG.normal(size=(30, 4)).astype("float32")
    params = vae.encode_distribution(x).params
    expected = evaluation.kl_decomposition(params["z_mean"], params["z_log_var"], n_samples=2)
    found = evaluation.kl_decomposition_of(vae, x, n_samples=2)
    np.testing.assert_allclose(found, expected)
    assert found.kl == pytest.approx(vae.kl_per_dimension(x).sum(), rel=1e-4)


def test_other_posteriors_and_priors_are_refused_by_name():
    x = np.zeros((4, 4), "float32")
    for parts, name in (
        ({"posterior": "full_covariance_normal"}, "FullCovarianceNormal"),
        ({"prior": "gaussian_mixture"}, "GaussianMixture"),
    ):
        with pytest.raises(ValueError, match=name):
            evaluation.kl_decomposition_of(vae_of(**parts), x)
