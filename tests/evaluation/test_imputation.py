"""Imputation against closed forms, and what it does of each kind of data, code and condition."""

import warnings

import keras
import numpy as np
import pytest
from helpers import LATENT_DIM, N_FEATURES, make_vae, set_same_weights

import keras_vae as kv
from keras_vae.likelihoods import Gaussian, Masked

D, LATENT, SIGMA, NAN = 4, 2, 0.7, np.nan
RNG = np.random.default_rng(0)
W, BIAS = RNG.normal(size=(LATENT, D)), RNG.normal(size=D)
COVARIANCE = W.T @ W + SIGMA**2 * np.eye(D)
OBSERVED = np.array([True, False, True, False])
ROW = np.array([0.4, NAN, -1.3, NAN])


def conditional_normal(row):
    """Mean and covariance of what is missing of a row of N(BIAS, COVARIANCE)."""
    o, m = ~np.isnan(row), np.isnan(row)
    gain = COVARIANCE[np.ix_(m, o)] @ np.linalg.inv(COVARIANCE[np.ix_(o, o)])
    mean = BIAS[m] + gain @ (row[o] - BIAS[o])
    return mean, COVARIANCE[np.ix_(m, m)] - gain @ COVARIANCE[np.ix_(o, m)]


def linear_vae(sigma=SIGMA, **kwargs):
    """p(x|z) = N(zW + b, σ²) whose q(z|x) is that of `OBSERVED` features, a little wider."""
    encoder = kv.VariationalEncoder(LATENT, keras.layers.Flatten())
    decoder = keras.layers.Dense(D)
    vae = kv.VAE(encoder, decoder, Masked(Gaussian(sigma)), **kwargs)
    vae.build((None, D))
    decoder.set_weights([W, BIAS])
    w = W * OBSERVED
    covariance = np.linalg.inv(np.eye(LATENT) + w @ w.T / SIGMA**2)
    gain = w.T @ covariance / SIGMA**2
    encoder.head.z_mean_head.set_weights([gain, -BIAS @ gain])
    variances = 1.2 * np.diag(covariance)
    encoder.head.z_log_var_head.set_weights([np.zeros((D, LATENT)), np.log(variances)])
    return vae


@pytest.fixture(scope="module")
def linear():
    return linear_vae()


def test_mean_and_covariance_are_those_of_the_conditional_normal(linear):
    mean, covariance = conditional_normal(ROW)
    filled, ess = linear.impute(ROW[None], 20_000, return_ess=True)
    np.testing.assert_allclose(filled[0, ~OBSERVED], mean, atol=1e-2)
    assert 5_000 < ess[0] <= 20_000
    draws = linear.impute(ROW[None], 20_000, n_imputations=20_000)[:, 0, ~OBSERVED]
    deviation = np.sqrt(np.diag(covariance))
    # Four standard errors of the draws beside the hundredth that the weights may be off.
    np.testing.assert_allclose(draws.mean(0), mean, atol=0.01 + 4 * deviation.max() / 20_000**0.5)
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.03 * covariance.max())


def test_a_row_of_nothing_is_that_of_the_prior(linear):
    x = np.stack([np.full(D, NAN), ROW])
    filled, ess = linear.impute(x, 20_000, return_ess=True)
    np.testing.assert_allclose(filled[0], BIAS, atol=0.04)
    assert ess[0] == pytest.approx(20_000)
    draws = linear.impute(x, 2_000, n_imputations=2_000)[:, 0]
    np.testing.assert_allclose(np.cov(draws.T), COVARIANCE, atol=0.12 * COVARIANCE.max())


def test_observed_values_stay_bit_for_bit(linear):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(23, D)) * (1 + 1e-12)
    x[rng.random(x.shape) < 0.4] = NAN
    x[0] = [1 / 3, 1e-30, -0.0, NAN]
    for dtype in ("float64", "float32"):
        given = x.astype(dtype)
        one = linear.impute(given, 20, batch_size=8)
        several = linear.impute(given, 20, n_imputations=3, batch_size=8)
        assert one.shape == x.shape and several.shape == (3, *x.shape)
        assert one.dtype == several.dtype == dtype
        for filled in (one, *several):
            assert np.isfinite(filled).all()
            observed = ~np.isnan(given)
            assert filled[observed].tobytes() == given[observed].tobytes()
    assert not np.array_equal(several[0], several[1])


def test_what_has_no_holes_comes_back_as_it_is(linear):
    x = np.random.default_rng(1).normal(size=(5, D))
    filled, ess = linear.impute(x, 20, return_ess=True)
    np.testing.assert_array_equal(filled, x)
    np.testing.assert_array_equal(ess, 20)
    np.testing.assert_array_equal(linear.impute(x, 20, n_imputations=2), [x, x])


def test_it_is_repeatable_and_says_how_sure_it_is(linear):
    x = np.stack([ROW] * 3)
    filled, ess = linear.impute(x, 50, seed=1, return_ess=True)
    assert isinstance(linear.impute(x, 50, seed=1, return_ess=True), kv.evaluation.Imputation)
    np.testing.assert_array_equal(filled, linear.impute(x, 50, seed=1))
    assert not np.array_equal(filled, linear.impute(x, 50, seed=2))
    assert not np.array_equal(linear.impute(x, 50, seed=None), linear.impute(x, 50, seed=None))
    assert (ess > 1).all() and (ess <= 50).all()


def test_draws_in_chunks_are_weighted_like_those_of_one(linear, monkeypatch):
    mean, _ = conditional_normal(ROW)
    monkeypatch.setattr("keras_vae.evaluation.importance.MAX_PARAMS", 1024 * 700)
    fresh = linear_vae()
    filled, ess = fresh.impute(ROW[None], 5_000, return_ess=True)  # eight chunks
    np.testing.assert_allclose(filled[0, ~OBSERVED], mean, atol=0.03)
    assert 1_250 < ess[0] <= 5_000
    draws = fresh.impute(ROW[None], 5_000, n_imputations=5_000)[:, 0, ~OBSERVED]
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.08)
    assert fresh.impute(ROW[None], 701, return_ess=True).effective_sample_size[0] <= 701


def test_every_form_of_data_is_filled_alike(linear):
    rows = np.stack([ROW, ROW + 1, ROW - 1]).astype("float32")
    expected = linear.impute(rows, 100, batch_size=2)
    for form in (rows.tolist(), [rows[:1], rows[1:]]):
        x = form if len(form) == 3 else iter([(part,) for part in form])
        np.testing.assert_allclose(linear.impute(x, 100, batch_size=2), expected, atol=1e-6)


LIKELIHOODS = {
    "bernoulli": ("bernoulli", 1),
    "categorical": ("categorical", 1),
    "poisson": ("poisson", 1),
    "zero inflated": (kv.likelihoods.NegativeBinomial(zero_inflated=True), 3),
    "gaussian decoder": (Gaussian("decoder"), 2),
    "levels": (kv.likelihoods.DiscretizedLogistic(16), 2),
    "laplace": ("laplace", 1),
}


@pytest.mark.parametrize(("likelihood", "n"), LIKELIHOODS.values(), ids=LIKELIHOODS.keys())
def test_each_likelihood_fills_data_of_its_kind(likelihood, n):
    decoder = kv.networks.DenseDecoder((4, 3 * n), (8,))
    vae = kv.VAE(kv.VariationalEncoder(2, kv.networks.DenseEncoder((8,))), decoder,
                 Masked(likelihood))  # fmt: skip
    vae.build((None, 4, 3))
    set_same_weights(vae.encoder)
    set_same_weights(vae.decoder)
    x = np.eye(3, dtype="float32")[np.random.default_rng(0).integers(3, size=(6, 4))]
    x[np.random.default_rng(1).random((6, 4)) < 0.5] = NAN  # whole categories
    one, several = vae.impute(x, 50), vae.impute(x, 50, n_imputations=4)
    for filled in (one, *several):
        np.testing.assert_array_equal(filled[~np.isnan(x)], x[~np.isnan(x)])
    vae.likelihood.check_target(several)
    kind = type(vae.likelihood.likelihood).__name__
    if not vae.likelihood.takes_exposure:  # the means of counts are no counts
        vae.likelihood.check_target(one)
    if kind == "Bernoulli":
        assert ((one[np.isnan(x)] > 0) & (one[np.isnan(x)] < 1)).all()
    if kind in ("Bernoulli", "Categorical"):
        assert set(np.unique(several)) <= {0.0, 1.0}
    if kind == "Categorical":
        assert set(np.unique(one)) == {0.0, 1.0}
        np.testing.assert_array_equal(several.sum(axis=-1), 1.0)


def test_the_likeliest_category_is_that_of_the_mixture():
    """Of a decoder that gives the same probabilities for each code."""
    vae = kv.VAE(kv.VariationalEncoder(1, keras.layers.Flatten()), keras.Sequential(
        [keras.layers.Dense(6), keras.layers.Reshape((2, 3))]), Masked("categorical"))  # fmt: skip
    vae.build((None, 2, 3))
    for weight in (*vae.encoder.weights, *vae.decoder.weights):
        weight.assign(np.zeros(weight.shape))
    vae.decoder.layers[0].bias.assign(np.log([0.2, 0.5, 0.3, 0.1, 0.2, 0.7]))
    x = np.array([[[1, 0, 0], [NAN] * 3], [[NAN] * 3, [0, 1, 0]]], "float32")
    one = vae.impute(x, 20)
    np.testing.assert_array_equal(one[0, 1], [0, 0, 1])
    np.testing.assert_array_equal(one[1, 0], [0, 1, 0])
    draws = vae.impute(x, 20, n_imputations=4_000)
    np.testing.assert_allclose(draws[:, 0, 1].mean(axis=0), [0.1, 0.2, 0.7], atol=0.04)
    x[1, 0, 0] = 0.0
    with pytest.raises(ValueError, match=r"observed or missing as a whole.*row 1"):
        vae.impute(x, 20)


@pytest.mark.parametrize(
    ("posterior", "prior"),
    [
        ("full_covariance_normal", "standard_normal"),
        ("inverse_autoregressive_flow", "standard_normal"),
        ("planar_flow", "gaussian_mixture"),
        ("von_mises_fisher", "uniform_on_sphere"),
        ("diagonal_normal", "real_nvp"),
        ("diagonal_normal", "vamp"),
    ],
)
def test_each_posterior_and_prior(posterior, prior):
    encoder = kv.VariationalEncoder(LATENT_DIM, kv.networks.DenseEncoder((8,)), posterior)
    vae = make_vae(encoder=encoder, prior=prior, likelihood=Masked("bernoulli"))
    vae.build((None, N_FEATURES))
    x = (np.random.default_rng(0).random((5, N_FEATURES)) < 0.5).astype("float32")
    x[np.random.default_rng(1).random(x.shape) < 0.5] = NAN
    x[0] = NAN
    filled, ess = vae.impute(x, 30, return_ess=True)
    assert np.isfinite(filled).all() and (ess >= 1 - 1e-4).all() and (ess <= 30.001).all()
    assert vae.impute(x, 30, n_imputations=2).shape == (2, 5, N_FEATURES)


def test_what_is_given_beside_x_matters():
    condition = kv.conditions.OneHot(3)
    vae = make_vae(likelihood=Masked("gaussian"), condition=condition, prior="conditional_normal")
    vae.build((None, N_FEATURES))
    set_same_weights(vae.decoder)
    x = np.random.default_rng(0).normal(size=(3, N_FEATURES))
    x[:, 1:] = NAN
    x[0] = NAN
    found = [vae.impute(x, 500, condition=c) for c in (0, 1, [0, 1, 1])]
    assert np.abs(found[0] - found[1])[:, 1:].max() > 0.05
    np.testing.assert_allclose(found[2][1], found[1][1], atol=1e-5)
    with pytest.raises(ValueError, match="condition is missing"):
        vae.impute(x, 10)


def test_the_exposure_of_counts_multiplies_what_is_filled():
    vae = make_vae(likelihood=Masked("poisson"), condition=kv.conditions.Exposure())
    x = np.random.default_rng(0).poisson(2.0, (40, N_FEATURES)).astype("float32")
    exposure = np.ones(40)
    vae.fit(x, condition=exposure, verbose=0)
    hidden = np.full((2, N_FEATURES), NAN)
    hidden[0, 0] = 2.0
    once, often = (vae.impute(hidden, 300, condition=e)[1] for e in (1.0, 10.0))
    np.testing.assert_allclose(often, 10 * once, rtol=1e-3)


def test_what_cannot_be_filled_is_refused_by_name(linear):
    with pytest.raises(ValueError, match=r"All values of x are missing in all of its 3 rows"):
        linear.impute(np.full((3, D), NAN))
    with pytest.raises(ValueError, match=r"Gaussian takes no missing values.*Masked"):
        plain = kv.VAE(kv.VariationalEncoder(2), keras.layers.Dense(D), "gaussian")
        plain.build((None, D))
        plain.impute(ROW[None])
    with pytest.raises(ValueError, match="not built"):
        kv.VAE(kv.VariationalEncoder(2), keras.layers.Dense(D), Masked("gaussian")).impute(ROW)
    with pytest.raises(ValueError, match=r"\(n, 4\)"):
        linear.impute(np.ones((3, 5)))
    with pytest.raises(ValueError, match="n_imputations must be a positive"):
        linear.impute(ROW[None], n_imputations=0)
    with pytest.raises(ValueError, match="n_samples must be a positive"):
        linear.impute(ROW[None], 0)
    with pytest.raises(ValueError, match="infinite"):
        linear.impute(np.array([[NAN, np.inf, 1.0, 1.0]]))


def test_a_model_of_another_target_imputes_nothing():
    vae = make_vae(likelihood=Masked("gaussian"))
    x = np.random.default_rng(0).normal(size=(8, N_FEATURES))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vae.fit(x, x[:, ::-1].copy(), verbose=0)
    with pytest.raises(ValueError, match="target of its own"):
        vae.impute(x)
