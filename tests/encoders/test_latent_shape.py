"""Codes on a grid: the same numbers as a code of as many dimensions, in another shape."""

import keras
import numpy as np
import pytest
from helpers import assert_close, to_numpy
from keras import layers, ops
from scipy import special, stats

import keras_vae as kv

GRID = (4, 4, 3)
X = (np.random.default_rng(0).random((64, 8, 8, 1)) < 0.3).astype("float32")


def grid_vae(prior="standard_normal", features="grid", **kwargs):
    network = [layers.Conv2D(6, 3, 2, "same", activation="relu")]
    if features == "flat":
        network += [layers.Flatten(), layers.Dense(20)]
    encoder = kv.VariationalEncoder(network=keras.Sequential(network), latent_shape=GRID)
    decoder = keras.Sequential([layers.Conv2DTranspose(1, 3, 2, "same")])
    vae = kv.VAE(encoder, decoder, prior=prior, **kwargs)
    vae.compile(keras.optimizers.Adam(1e-2))
    return vae


@pytest.mark.parametrize("features", ["grid", "flat"])
@pytest.mark.parametrize("prior", ["standard_normal", "gaussian_mixture", "vamp"])
def test_a_grid_of_codes_from_data_to_file(features, prior, tmp_path):
    vae = grid_vae(prior, features)
    losses = vae.fit(X, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert vae.latent_shape == GRID and vae.latent_dim == 48
    codes = vae.encode(X)
    assert codes.shape == (64, *GRID) == vae.encode(X, draw=True).shape
    assert vae.decode(codes).shape == X.shape == vae.reconstruct(X).shape
    assert vae.sample(5).shape == (5, 8, 8, 1)
    assert vae.interpolate(X[:2], X[2:4], 3).shape == (2, 3, 8, 8, 1)
    assert vae.interpolate(X[:2], X[2:4], 3, spherical=True).shape == (2, 3, 8, 8, 1)
    found = vae.encode_distribution(X)
    assert found.z_mean.shape == found.z_std.shape == (64, *GRID)
    assert 0 <= vae.active_units(X) <= 48
    assert np.isfinite(vae.score(X)).all() and vae.score(X).shape == (64,)
    log_p = vae.log_likelihood(X[:4], n_samples=20, seed=0).log_likelihood
    assert log_p.shape == (4,) and np.isfinite(log_p).all()
    vae.save(tmp_path / "vae.keras")
    copy = kv.load_model(tmp_path / "vae.keras")
    assert copy.encoder.latent_shape == GRID
    np.testing.assert_allclose(copy.encode(X), codes, rtol=1e-5, atol=1e-6)


def test_the_head_of_a_grid_works_place_by_place():
    encoder = grid_vae().encoder
    encoder.build((None, 8, 8, 1))
    assert tuple(encoder.head.z_mean_head.kernel.shape) == (6, 3)
    kernel, bias = encoder.head.z_mean_head.get_weights()
    features = to_numpy(encoder.network(X))
    z_mean = to_numpy(encoder(X)[0])
    assert_close(z_mean, features @ kernel + bias, rtol=1e-5)


def test_kl_and_log_probabilities_sum_over_the_grid():
    vae = grid_vae()
    vae.build((None, 8, 8, 1))
    params = {k: to_numpy(v).astype("f8") for k, v in vae.posterior_params(X).items()}
    sigma = np.exp(0.5 * params["z_log_var"])
    kl = 0.5 * (sigma**2 + params["z_mean"] ** 2 - 1.0) - np.log(sigma)
    logs = vae.evaluate(X, verbose=0, return_dict=True)
    assert logs["kl_loss"] == pytest.approx(kl.sum() / 64, rel=1e-4)
    assert_close(vae.kl_per_dimension(X), kl.mean(axis=0), rtol=1e-4)
    z, log_q = vae.posterior(ops.array(X)).sample_and_log_prob(3, seed=0)
    assert tuple(z.shape) == (3, 64, *GRID) and tuple(log_q.shape) == (3, 64)
    expected = stats.norm.logpdf(to_numpy(z), params["z_mean"], sigma).sum((-3, -2, -1))
    assert_close(to_numpy(log_q), expected, rtol=1e-4)
    expected = stats.norm.logpdf(to_numpy(z)).sum((-3, -2, -1))
    assert_close(to_numpy(vae.prior.log_prob(z)), expected, rtol=1e-4)


@pytest.mark.parametrize("objective", ["free_bits", "iwae", "ciwae", "miwae", "piwae", "capacity"])
def test_objectives_of_a_grid(objective):
    """Their terms are those of the same numbers as vectors."""
    draws = kv.objectives.get(objective).n_draws
    z_mean, z_log_var = np.random.default_rng(2).normal(size=(2, 6, *GRID)).astype("float32")
    noise = np.random.default_rng(3).normal(size=(*([draws] if draws else []), 6, *GRID))
    z = (z_mean + np.exp(0.5 * z_log_var) * noise).astype("float32")

    def terms(shape):
        prior = kv.priors.StandardNormal()
        prior.build((None, *shape))

        def to_shape(t):
            return ops.array(t.reshape(*t.shape[: t.ndim - 3], *shape))

        forward = kv.objectives.Forward(
            x=None,
            target=np.ones((6, 2), "float32"),
            params=ops.array(z.reshape(*z.shape[:-3], -1)[..., :2]),
            z=to_shape(z),
            posterior=kv.posteriors.DiagonalNormal(to_shape(z_mean), to_shape(z_log_var)),
            prior=prior,
            likelihood=kv.likelihoods.Bernoulli(),
            sample_weight=ops.full((6,), 1 / 6),
            decode=lambda codes: ops.reshape(codes, (*codes.shape[:2], 48))[..., :2],
        )
        return kv.objectives.get(objective).compute(forward).by_name()

    grid, flat = terms(GRID), terms((48,))
    assert grid.keys() == flat.keys()
    for name, value in flat.items():
        assert_close(to_numpy(grid[name]), to_numpy(value), rtol=1e-5)


def test_a_mixture_on_a_grid_is_that_of_the_flat_codes():
    grid, flat = kv.priors.GaussianMixture(5), kv.priors.GaussianMixture(5)
    grid.build((None, *GRID))
    flat.build((None, 48))
    pairs = zip(grid.get_weights(), flat.weights, strict=True)
    flat.set_weights([w.reshape(v.shape) for w, v in pairs])
    z = np.random.default_rng(1).normal(size=(2, 7, *GRID)).astype("float32")
    means = grid.get_weights()[0].astype("f8")
    per_component = stats.norm.logpdf(z[..., None, :, :, :], means).sum((-3, -2, -1))
    expected = special.logsumexp(per_component, axis=-1) - np.log(5)
    assert_close(to_numpy(grid.log_prob(z)), expected, rtol=1e-4)
    assert_close(to_numpy(flat.log_prob(z.reshape(2, 7, 48))), expected, rtol=1e-4)
    assert tuple(grid.sample(3, seed=0).shape) == (3, *GRID)


def test_a_layer_of_three_outputs_may_give_a_grid():
    x = keras.Input((8, 8, 1))
    features = layers.Conv2D(6, 3, 2, "same")(x)
    z_mean, z_log_var = layers.Conv2D(3, 1)(features), layers.Conv2D(3, 1)(features)
    z = kv.SampleLayer()((z_mean, z_log_var))
    encoder = keras.Model(x, (z_mean, z_log_var, z))
    decoder = keras.Sequential([layers.Conv2DTranspose(1, 3, 2, "same")])
    vae = kv.VAE(encoder, decoder)
    vae.compile("adam")
    assert np.isfinite(vae.fit(X, verbose=0).history["loss"]).all()
    assert vae.encoder is encoder and vae.latent_shape == GRID


def test_what_cannot_be_on_a_grid_says_so():
    for posterior in sorted(set(kv.posteriors.NAMES) - {"diagonal_normal", "point"}):
        with pytest.raises(ValueError, match=r"Head makes codes that are vectors, not of shape"):
            kv.VariationalEncoder(latent_shape=GRID, posterior=posterior)
    with pytest.raises(ValueError, match=r"RealNVP is a prior of vectors, not of codes of shape"):
        grid_vae("real_nvp")
    with pytest.raises(ValueError, match=r"BetaTCVAE is computed from codes that are vectors"):
        grid_vae(objective="beta_tc_vae")
    with pytest.raises(ValueError, match=r"latent_dim=3 is short for latent_shape=\(3,\)"):
        kv.VariationalEncoder(3, latent_shape=GRID)
    with pytest.raises(ValueError, match="latent_shape must hold positive integers"):
        kv.VariationalEncoder(latent_shape=(4, 0))
    decoder = keras.Sequential([keras.Input((2, 2, 3)), layers.Conv2DTranspose(1, 3, 2, "same")])
    with pytest.raises(ValueError, match=r"gives latent_shape=\(4, 4, 3\).*takes codes of shape"):
        kv.VAE(kv.VariationalEncoder(latent_shape=GRID), decoder)


def test_plots_and_exports_take_a_grid(tmp_path):
    vae = grid_vae()
    vae.fit(X, verbose=0)
    assert kv.plots.traversal(vae, X, rows=2, columns=3) is not None
    assert kv.plots.manifold(vae, n=2) is not None
    formats = {"tensorflow": "tf_saved_model", "torch": "torch", "jax": "tf_saved_model"}
    differences = vae.export(tmp_path / "out", format=formats[keras.backend.backend()])
    assert max(differences.values()) < 1e-4


def test_metrics_of_a_grid_of_two_axes_see_each_row():
    """Whose axes are as many as those of several draws of a vector."""
    network = keras.layers.Dense(16)
    decoder = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(6)])
    vae = kv.VAE(kv.VariationalEncoder(network=network, latent_shape=(4, 4)), decoder)
    vae.compile(keras.optimizers.SGD(0.0), metrics=["mse"])
    x = (np.random.default_rng(0).random((40, 6)) < 0.3).astype("float32")
    found = vae.evaluate(x, batch_size=40, verbose=0, return_dict=True)
    keras.utils.set_random_seed(0)
    errors = [np.square(mean_at_a_draw(vae, x) - x).mean() for _ in range(200)]
    assert min(errors) <= found["mse"] <= max(errors)


def mean_at_a_draw(vae, x):
    """The means of p(x|z) at a draw of z, outside of a step."""
    return vae.decode(vae.encode(x, draw=True))
