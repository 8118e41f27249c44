"""The yardsticks, on models whose likelihood is known exactly."""

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, assert_close, make_vae, to_numpy
from scipy import stats

import keras_vae as kv

D, LATENT, SIGMA = 4, 2, 0.7
RNG = np.random.default_rng(0)
W, BIAS = RNG.normal(size=(LATENT, D)), RNG.normal(size=D)
# p(z) = N(0, I), p(x|z) = N(zW + b, σ²): p(x) and p(z|x) are normal.
COVARIANCE = W.T @ W + SIGMA**2 * np.eye(D)
POSTERIOR_COVARIANCE = np.linalg.inv(np.eye(LATENT) + W @ W.T / SIGMA**2)
GAIN = W.T @ POSTERIOR_COVARIANCE / SIGMA**2  # E[z|x] = (x - b) GAIN
X = RNG.multivariate_normal(BIAS, COVARIANCE, size=30).astype("float32")
LOG_P = stats.multivariate_normal(BIAS, COVARIANCE).logpdf(X)


def linear_vae(posterior, prior="standard_normal", exact=True):
    """A linear-Gaussian VAE with the exact posterior, or one twice as wide."""
    encoder = kv.VariationalEncoder(LATENT, keras.layers.Flatten(), posterior=posterior)
    decoder = keras.Sequential([keras.Input((LATENT,)), keras.layers.Dense(D)])
    vae = kv.VAE(encoder, decoder, kv.likelihoods.Gaussian(SIGMA), prior)
    vae.build((None, D))
    decoder.set_weights([W, BIAS])
    for weight in encoder.weights:
        weight.assign(np.zeros(weight.shape))
    encoder.head.z_mean_head.set_weights([GAIN, -BIAS @ GAIN])
    tril = np.linalg.cholesky(POSTERIOR_COVARIANCE) * (1.0 if exact else 1.5)
    if posterior == "full_covariance_normal":
        encoder.head.diagonal_head.bias.assign(2 * np.log(np.diag(tril)))
        encoder.head.below_head.bias.assign([tril[1, 0] / tril[1, 1]])
    else:
        encoder.head.z_log_var_head.bias.assign(2 * np.log(1.5 * np.diag(tril)))
    return vae


def test_with_the_exact_posterior_one_draw_is_enough():
    found = linear_vae("full_covariance_normal").log_likelihood(X, n_samples=3)
    assert_close(found.log_likelihood, LOG_P, rtol=1e-4)
    np.testing.assert_allclose(found.effective_sample_size, 3.0, rtol=1e-3)


@pytest.mark.parametrize("posterior", ["diagonal_normal", "full_covariance_normal"])
def test_with_another_posterior_it_converges_to_the_exact_likelihood(posterior):
    vae = linear_vae(posterior, exact=False)
    log_p, size = vae.log_likelihood(X, n_samples=5000, seed=0, batch_size=20)
    np.testing.assert_allclose(log_p, LOG_P, atol=0.1)
    assert abs((log_p - LOG_P).mean()) < 0.01
    assert ((size > 100) & (size < 4900)).all()
    again = vae.log_likelihood(X, n_samples=5000, seed=0, batch_size=20)
    np.testing.assert_array_equal(log_p, again.log_likelihood)
    assert not np.array_equal(log_p, vae.log_likelihood(X, 5000, seed=1).log_likelihood)


def test_draws_in_chunks_are_all_used(monkeypatch):
    vae = linear_vae("diagonal_normal")
    monkeypatch.setattr(
        kv.evaluation.importance, "MAX_PARAMS", 10 * 1024 * 40
    )  # 13 draws of 30 inputs
    log_p, _ = vae.log_likelihood(X, n_samples=2000, seed=0)
    assert abs((log_p - LOG_P).mean()) < 0.02
    # A last chunk that is cut, and fewer draws than chunks hold.
    for n_samples in (1, 14):
        assert np.isfinite(vae.log_likelihood(X, n_samples, seed=0).log_likelihood).all()


def test_a_learned_prior_that_is_normal_changes_nothing():
    vae = linear_vae("full_covariance_normal", prior="real_nvp")  # starts as N(0, I)
    assert_close(vae.log_likelihood(X, 3).log_likelihood, LOG_P, rtol=1e-4)


def test_estimates_disturb_no_other_draw(x):
    histories = []
    for estimate in (False, True):
        keras.utils.set_random_seed(0)
        vae = make_vae()
        vae.fit(x, verbose=0)
        if estimate:
            vae.log_likelihood(x[:5], 10, seed=0)
        histories.append(vae.fit(x, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(*histories, rtol=1e-6)


def test_a_target_other_than_x(x):
    vae = make_vae(keras.optimizers.Adam(5e-2))
    vae.fit(x, epochs=5, verbose=0)
    flipped = vae.log_likelihood(x, 50, y=1.0 - x, seed=0).log_likelihood
    assert (flipped < vae.log_likelihood(x, 50, seed=0).log_likelihood).mean() > 0.9
    with pytest.raises(ValueError, match="x has 256 samples, but y has 5"):
        vae.log_likelihood(x, y=x[:5])


def test_active_units_and_kl_per_dimension(x):
    vae = make_vae()
    vae.build((None, N_FEATURES))
    kernel, bias = (RNG.normal(size=w.shape) for w in vae.encoder.head.z_mean_head.get_weights())
    kernel[:, 1] = 0.0  # a constant code
    vae.encoder.head.z_mean_head.set_weights([kernel, bias])
    assert vae.active_units(x) == 2
    assert vae.active_units(x, threshold=1e9) == 0
    kl = vae.kl_per_dimension(x)
    mean, log_var = (to_numpy(t) for t in vae.posterior_params(x).values())
    expected = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var).mean(axis=0)
    assert_close(kl, expected, rtol=1e-4)
    logs = vae.evaluate(x, verbose=0, return_dict=True)
    assert kl.sum() == pytest.approx(logs["kl_loss"], rel=1e-4)
    with pytest.raises(ValueError, match=r"no closed form per dimension.*active_units"):
        linear_vae("diagonal_normal", prior="gaussian_mixture").kl_per_dimension(X)


@pytest.mark.parametrize("kappa", [1.0, 1e3])
def test_active_units_on_the_sphere_of_many_dimensions(x, kappa):
    encoder = kv.VariationalEncoder(
        120, kv.networks.DenseEncoder((8,)), posterior="von_mises_fisher"
    )
    vae = make_vae(encoder=encoder, prior="uniform_on_sphere")
    vae.build((None, N_FEATURES))
    kernel, _ = encoder.head.z_mean_head.get_weights()
    encoder.head.z_mean_head.set_weights([RNG.normal(size=kernel.shape), np.zeros(120)])
    kernel, _ = encoder.head.concentration_head.get_weights()
    encoder.head.concentration_head.set_weights([0.0 * kernel, np.array([kappa - 30.0])])
    assert vae.active_units(x) == (120 if kappa > 1.0 else 0)
    watch = kv.callbacks.TrainingWatch(x, patience=1)
    vae.fit(x, verbose=0, callbacks=[watch])
    assert bool(watch.messages) is (kappa == 1.0)


def test_active_units_are_counted_in_units_of_the_prior(x):
    vae = make_vae(prior="gaussian_mixture")
    vae.build((None, N_FEATURES))
    assert vae.active_units(x, threshold=1e-3) == 3
    means, log_vars, logits = vae.prior.get_weights()
    vae.prior.set_weights([means * 1e4, log_vars, logits])
    assert vae.active_units(x, threshold=1e-3) == 0


def test_wrong_use(x):
    with pytest.raises(ValueError, match="not built"):
        make_vae().log_likelihood(x)
    vae = make_vae()
    vae.build((None, N_FEATURES))
    with pytest.raises(ValueError, match="n_samples must be a positive integer"):
        vae.log_likelihood(x, n_samples=0)
    with pytest.raises(ValueError, match=r"samples of shape \(5,\)"):
        vae.log_likelihood(x[:, :5])
