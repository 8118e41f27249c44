"""Draws of z from q(z|x) and of x from p(x|z), against closed forms."""

import keras
import numpy as np
import pytest
from helpers import make_vae, to_numpy

import keras_vae as kv

N = 6000
LATENT = 3
kinds = kv.likelihoods

# Likelihood, params of two features, and the values that x may take there.
COUNTS = np.arange(400.0)
LEVELS = np.arange(16) / 15
UNIT = (np.arange(4000) + 0.5) / 4000
REAL = np.linspace(-60.0, 60.0, 60_001)
LIKELIHOODS = {
    "bernoulli": (kinds.Bernoulli(), [-1.0, 0.5], np.arange(2.0)),
    "continuous_bernoulli": (kinds.ContinuousBernoulli(), [-3.0, 0.5], UNIT),
    "discretized_logistic": (kinds.DiscretizedLogistic(16), [0.2, 0.9, -2.0, -1.0], LEVELS),
    "mixture": (
        kinds.DiscretizedLogisticMixture(2, 16),
        [0.5, 0.0, -0.5, 1.0, 0.2, 0.9, 0.7, 0.1, -2.0, -1.0, -3.0, -1.5],
        LEVELS,
    ),
    "gaussian": (kinds.Gaussian(0.7), [-2.0, 3.0], REAL),
    "gaussian of the decoder": (kinds.Gaussian("decoder"), [-2.0, 3.0, 1.0, -1.0], REAL),
    "laplace": (kinds.Laplace(0.5), [-2.0, 3.0], REAL),
    "student_t": (kinds.StudentT(9.0, 0.5), [-2.0, 3.0], REAL),
    "student_t of the decoder": (
        kinds.StudentT("decoder"),
        [-2.0, 3.0, 1.0, -1.0, 2.0, 5.0],
        REAL,
    ),
    "poisson": (kinds.Poisson(), [0.5, 4.0], COUNTS),
    "zero-inflated": (kinds.Poisson(zero_inflated=True), [0.5, 4.0, -1.0, 0.5], COUNTS),
    "negative_binomial": (kinds.NegativeBinomial(), [0.5, 3.0, 1.0, 2.0], COUNTS),
    "masked": (kinds.Masked("gaussian"), [-2.0, 3.0], REAL),
}


def constant_vae(likelihood, params):
    """A VAE whose decoder gives the same params for every code."""
    decoder = keras.Sequential([keras.Input((LATENT,)), keras.layers.Dense(len(params))])
    decoder.set_weights([np.zeros((LATENT, len(params))), np.array(params)])
    vae = kv.VAE(kv.VariationalEncoder(LATENT, keras.layers.Flatten()), decoder, likelihood)
    vae.build((None, 2))
    return vae


def moments_of(likelihood, params, values):
    """Mean and variance of each feature, by summing p(x|z) over the values."""
    target = np.stack([values, values], axis=-1).astype("float32")
    part = getattr(likelihood, "likelihood", likelihood)
    params = np.tile(np.float32(params), (len(values), 1))
    log_p = part.log_prob_per_feature(*map(keras.ops.convert_to_tensor, (target, params)))
    p = np.exp(to_numpy(log_p).astype("float64"))
    p /= p.sum(axis=0)
    mean = (p * target).sum(axis=0)
    variance = (p * (target - mean) ** 2).sum(axis=0)
    fourth = (p * (target - mean) ** 4).sum(axis=0)
    return mean, variance, np.sqrt(np.maximum(fourth - variance**2, 0.0))


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_draws_of_x_have_the_moments_of_the_likelihood(name):
    likelihood, params, values = LIKELIHOODS[name]
    likelihood = type(likelihood).from_config(likelihood.get_config())
    vae = constant_vae(likelihood, params)
    draws = vae.decode(np.zeros((N, LATENT)), batch_size=2048, draw=True, seed=1)
    assert draws.shape == (N, 2) and draws.dtype == "float32"
    mean, variance, error = moments_of(likelihood, params, values)
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * np.sqrt(variance / N) + 1e-4).all()
    assert (np.abs(draws.var(axis=0) - variance) < 5 * error / np.sqrt(N) + 1e-4).all()
    if len(values) < 1000:
        assert np.abs(draws[..., None] - values).min(axis=-1).max() < 1e-6


def test_draws_of_categories_are_one_hot_and_as_frequent_as_their_probabilities():
    p = np.array([0.2, 0.7, 0.1])
    decoder = keras.Sequential([keras.Input((LATENT,)), keras.layers.Dense(3)])
    decoder.set_weights([np.zeros((LATENT, 3)), np.log(p)])
    encoder = kv.VariationalEncoder(LATENT, keras.layers.Flatten())
    vae = kv.VAE(encoder, decoder, "categorical")
    vae.build((None, 3))
    for draws in (
        vae.sample(N, draw=True, seed=1),
        vae.reconstruct(np.eye(3)[np.arange(N) % 3], draw=True, seed=1),
    ):
        assert set(np.unique(draws)) == {0.0, 1.0} and (draws.sum(axis=1) == 1).all()
        assert (np.abs(draws.mean(axis=0) - p) < 5 * np.sqrt(p * (1 - p) / N)).all()


def encoder_vae(posterior, prior="standard_normal"):
    """A VAE with a random encoder, and an input."""
    encoder = kv.VariationalEncoder(LATENT, kv.networks.DenseEncoder((8,)), posterior)
    vae = make_vae(encoder=encoder, prior=prior)
    vae.build((None, 12))
    rng = np.random.default_rng(3)
    vae.encoder.set_weights([rng.normal(scale=0.4, size=w.shape) for w in encoder.get_weights()])
    return vae, rng.random((1, 12)).astype("float32")


POSTERIORS = {
    "diagonal_normal": "standard_normal",
    "full_covariance_normal": "standard_normal",
    "inverse_autoregressive_flow": "standard_normal",
    "planar_flow": "standard_normal",
    "von_mises_fisher": "uniform_on_sphere",
}


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_draws_of_z_have_the_moments_of_the_posterior(posterior):
    vae, x = encoder_vae(posterior, POSTERIORS[posterior])
    z = vae.encode(np.repeat(x, N, axis=0), batch_size=2048, draw=True, seed=1)
    assert z.shape == (N, LATENT) and z.dtype == "float32"
    found = vae.encode_distribution(np.repeat(x, 3, axis=0), seed=2)
    mean, std, params = found.z_mean[0], found.z_std[0], {k: v[0] for k, v in found.params.items()}
    assert found.z_std.shape == (3, LATENT)
    np.testing.assert_allclose(mean, vae.encode(x)[0], atol=1e-6)
    # A flow's is an estimate by 1,000 draws, the others' are exact.
    assert np.abs(z.std(axis=0) / std - 1).max() < (0.15 if "flow" in posterior else 0.06)
    if posterior == "diagonal_normal":
        covariance = np.diag(np.exp(params["z_log_var"]))
    elif posterior == "full_covariance_normal":
        covariance = params["z_scale_tril"] @ params["z_scale_tril"].T
    elif posterior == "von_mises_fisher":
        kappa = float(params["z_concentration"][0])
        length = 1 / np.tanh(kappa) - 1 / kappa  # on the sphere in three dimensions
        mean = length * mean
        along = 1 - length**2 - 2 * length / kappa
        outer = np.outer(params["z_mean"], params["z_mean"])
        covariance = along * outer + length / kappa * (np.eye(3) - outer)
        np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1.0, atol=1e-4)
    else:
        return
    np.testing.assert_allclose(std, np.sqrt(np.diag(covariance)), rtol=1e-4)
    largest = np.diag(covariance).max()
    assert (np.abs(z.mean(axis=0) - mean) < 5 * np.sqrt(largest / N)).all()
    np.testing.assert_allclose(np.cov(z.T), covariance, atol=6 * largest / np.sqrt(N))


def test_the_spread_of_narrow_bells_on_the_sphere():
    from keras_vae.posteriors import VonMisesFisher

    kappa = np.array([[1.0], [30.0], [10_000.0]])
    mu = np.tile(np.float32([[0.0, 0.6, 0.8]]), (3, 1))
    std = to_numpy(VonMisesFisher(mu, kappa).std())
    length = 1 / np.tanh(kappa) - 1 / kappa
    along = 1 - length**2 - 2 * length / kappa
    expected = np.sqrt(along * mu**2 + length / kappa * (1 - mu**2))
    np.testing.assert_allclose(std, expected, rtol=1e-3)


def test_a_seed_makes_draws_repeatable_and_none_draws_anew(x):
    vae = make_vae()
    vae.build((None, 12))
    z = vae.encode(x)
    for draw in (
        lambda **seed: vae.sample(200, draw=True, **seed),
        lambda **seed: vae.encode(x, draw=True, **seed),
        lambda **seed: vae.decode(z, draw=True, **seed),
        lambda **seed: vae.reconstruct(x, draw=True, **seed),
    ):
        first = draw(seed=np.int64(5))
        np.testing.assert_array_equal(draw(seed=5), first)
        others = (draw(seed=6), draw(), draw())
        assert all((other != first).mean() > 0.1 for other in others)
        assert (others[1] != others[2]).mean() > 0.1
    wide = kv.VAE(vae.encoder, vae.decoder)
    wide.build((None, 12))
    np.testing.assert_array_equal(
        wide.encode(x, draw=True, seed=5), vae.encode(x, draw=True, seed=5)
    )


def test_no_two_rows_batches_or_seeds_share_their_noise():
    vae = constant_vae(kinds.Gaussian(1.0), [0.0, 0.0])
    zeros = np.zeros((4000, 2))
    a, b = (vae.reconstruct(zeros, 500, draw=True, seed=seed)[:, 0] for seed in (0, 1))
    blocks = [*a.reshape(8, 500), *b.reshape(8, 500)]
    # Seed 0 and seed 1, and a draw of z by the same seed.
    vae.encoder.head.z_mean_head.set_weights([np.zeros((2, LATENT)), np.zeros(LATENT)])
    vae.encoder.head.z_log_var_head.set_weights([np.zeros((2, LATENT)), np.zeros(LATENT)])
    blocks += [*vae.encode(zeros, 500, draw=True, seed=0)[:, 0].reshape(8, 500)]
    correlation = np.corrcoef(blocks) - np.eye(len(blocks))
    assert np.abs(correlation).max() < 6 / np.sqrt(500)


def test_draws_disturb_no_draw_of_the_training(x):
    histories = []
    for draw in (False, True):
        keras.utils.set_random_seed(0)
        vae = make_vae()
        vae.fit(x, verbose=0)
        if draw:
            z = vae.encode(x, draw=True)
            vae.decode(z, draw=True)
            vae.reconstruct(x, draw=True)
            vae.encode_distribution(x, seed=None)
        histories.append(vae.fit(x, verbose=0).history["loss"])
    np.testing.assert_allclose(*histories, rtol=1e-6)


def test_draws_inside_a_callback(x):
    vae, seen = make_vae(), []

    def look(batch, logs):
        seen.append(vae.encode_distribution(x[:2]).z_std)
        seen.append(vae.encode(x[:2], draw=True, seed=1))

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=look)
    vae.fit(x, batch_size=128, callbacks=[callback], verbose=0)
    assert np.abs(seen[0] - seen[-2]).max() > 0 and np.abs(seen[1] - seen[-1]).max() > 0


def gaussian_log_likelihood(target, params):
    return -keras.ops.sum(keras.ops.square(target - params), axis=-1)


def test_wrong_use(x):
    vae = make_vae(likelihood=gaussian_log_likelihood)
    vae.build((None, 12))
    for draw in (
        lambda: vae.sample(3, draw=True),
        lambda: vae.reconstruct(x, draw=True),
        lambda: vae.decode(np.zeros((2, 3)), draw=True),
    ):
        with pytest.raises(ValueError, match=r"FromFunction has .* no draws of x.*sample\(params"):
            draw()
    assert vae.encode(x, draw=True).shape == (256, 3)
    for act in (vae.encode, vae.reconstruct, vae.decode):
        with pytest.raises(ValueError, match=r"seed=3 has no effect.*draw=True"):
            act(x, seed=3)
    with pytest.raises(ValueError, match="the model is not built"):
        make_vae().encode(x, draw=True)
    with pytest.raises(ValueError, match="the model is not built"):
        make_vae().reconstruct(x, draw=True)
