"""Ways between codes, and the plots of codes, in space and on the sphere."""

import keras
import numpy as np
import pytest

import keras_vae as kv
from keras_vae import distributions, plots
from keras_vae.numerics.arcs import arcs


def test_arcs_of_one_norm_are_circles():
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(2, 50, 4))
    end *= (np.linalg.norm(start, axis=1) / np.linalg.norm(end, axis=1))[:, None]
    codes = arcs(start, end, 7)
    norms = np.linalg.norm(codes, axis=-1)
    np.testing.assert_allclose(norms, np.broadcast_to(norms[:, :1], norms.shape), rtol=1e-5)
    np.testing.assert_allclose(codes[:, 0], start, rtol=1e-5)
    np.testing.assert_allclose(codes[:, -1], end, rtol=1e-4, atol=1e-6)
    steps = np.linalg.norm(np.diff(codes, axis=1), axis=-1)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[:, :1], steps.shape), rtol=1e-3)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_arcs_stay_between_the_norms_of_their_ends(d):
    rng = np.random.default_rng(1)
    start = rng.normal(size=(8, d))
    end = -rng.uniform(0.3, 3.0, (8, 1)) * start  # opposite, of another length
    end[1] += 1e-7 * rng.normal(size=d)
    end[2] += 1e-3 * rng.normal(size=d)
    end[3] = rng.normal(size=d)
    end[4] = 0.0
    start[5] = end[5] = 0.0
    end[6] = start[6]
    end[7] = 2.0 * start[7]
    codes = arcs(start, end, 11)
    norms = [np.linalg.norm(z, axis=-1) for z in (codes, start, end)]
    assert np.isfinite(codes).all()
    assert (norms[0] <= np.maximum(norms[1], norms[2])[:, None] * (1 + 1e-5)).all()
    np.testing.assert_allclose(codes[:, 0], start, atol=1e-5)
    np.testing.assert_allclose(codes[:, -1], end, atol=1e-5)
    straight = np.linspace(start, end, 11, axis=1)
    for row in (0, 4, 5, 6, 7):
        np.testing.assert_allclose(codes[row], straight[row], atol=1e-5)


def test_arcs_on_the_sphere_stay_there_between_opposite_codes_too():
    rng = np.random.default_rng(2)
    start = rng.normal(size=(4, 3))
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    end = np.stack([-start[0], -start[1] + 1e-8, start[2], rng.normal(size=3)])
    end /= np.linalg.norm(end, axis=1, keepdims=True)
    codes = arcs(start.astype("float32"), end.astype("float32"), 9, on_sphere=True)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(codes[:, 0], start, atol=1e-6)
    np.testing.assert_allclose(codes[:, -1], end, atol=1e-5)
    # Half a turn in steps of one size.
    cosines = (codes[:2, 1:] * codes[:2, :-1]).sum(-1)
    np.testing.assert_allclose(cosines, np.cos(np.pi / 8), atol=1e-5)
    with pytest.raises(ValueError, match="row 1 is 0, which has no direction on the sphere"):
        arcs(start[:2], np.array([[1.0, 0, 0], [0, 0, 0]]), 3, on_sphere=True)


@keras.saving.register_keras_serializable(package="tests")
class Watched(keras.layers.Layer):
    """A decoder of 4×4 images that shows the codes it is given, as images of their numbers."""

    def __init__(self, latent_dim, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim

    def call(self, z):
        z = keras.ops.concatenate([z, keras.ops.zeros_like(z[:, :1])], axis=-1)
        z = keras.ops.tile(z, (1, 16))[:, :16]
        return keras.ops.reshape(z, (-1, 4, 4, 1))


def watched_vae(latent_dim, sphere):
    parts = {"prior": "uniform_on_sphere"} if sphere else {}
    posterior = "von_mises_fisher" if sphere else "diagonal_normal"
    encoder = kv.VariationalEncoder(latent_dim, keras.layers.Flatten(), posterior)
    vae = kv.VAE(encoder, Watched(latent_dim), kv.likelihoods.Gaussian(1.0), **parts)
    vae.build((None, 4, 4, 1))
    return vae


def codes_of(images, latent_dim):
    return np.asarray(images).reshape(-1, 16)[:, :latent_dim]


@pytest.fixture
def drawn(monkeypatch):
    """The images that a plot gives to `image_grid`, and the labels."""
    seen = {}
    grid = plots.image_grid

    def watch(images, row_labels=(), column_labels=(), ax=None):
        seen.update(images=images, rows=list(row_labels), columns=list(column_labels))
        return grid(images, row_labels, column_labels, ax)

    for module in (plots.images, plots.latent_dimensions):
        monkeypatch.setattr(module, "image_grid", watch)
    return seen


IMAGES = np.random.default_rng(3).normal(size=(6, 4, 4, 1)).astype("float32")


@pytest.mark.parametrize("latent_dim", [2, 3, 5])
def test_what_is_decoded_on_the_sphere_lies_on_it(latent_dim, drawn):
    vae = watched_vae(latent_dim, sphere=True)
    found = [vae.reconstruct(IMAGES), vae.interpolate(IMAGES[:3], IMAGES[3:], 5)]
    found.append(vae.interpolate(IMAGES[:3], IMAGES[3:], 5, spherical=True))
    plots.manifold(vae, n=5)
    found.append(drawn["images"])
    plots.manifold(vae, n=5, limit=40.0, dimensions=(1, 0) if latent_dim > 2 else None)
    found.append(drawn["images"])
    plots.traversal(vae, IMAGES, columns=5, limit=9.0)
    found.append(drawn["images"])
    for images in found:
        norms = np.linalg.norm(codes_of(images, latent_dim), axis=-1)
        np.testing.assert_allclose(norms, 1.0, atol=1e-5)
    # Each row of the traversal varies its dimension as the labels say.
    codes = codes_of(found[-1], latent_dim).reshape(latent_dim, 5, latent_dim)
    varied = [row[:, d] for row in codes for d in range(latent_dim)]
    assert sum(np.allclose(v, np.linspace(-1, 1, 5), atol=1e-5) for v in varied) == latent_dim
    assert drawn["columns"] == ["−1.0", "−0.5", "+0.0", "+0.5", "+1.0"]


def test_the_score_decodes_codes_on_the_sphere():
    vae = watched_vae(3, sphere=True)
    z = vae.encode(IMAGES)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1.0, atol=1e-5)
    posterior = vae.posterior(keras.ops.convert_to_tensor(IMAGES))
    kl = keras.ops.convert_to_numpy(
        distributions.kl_divergence(posterior, vae.prior.distribution())
    )
    log_px = -0.5 * ((IMAGES - vae.decode(z)) ** 2 + np.log(2 * np.pi)).sum((1, 2, 3))
    np.testing.assert_allclose(vae.score(IMAGES), log_px - kl, rtol=1e-5)
    code, log_qz = map(keras.ops.convert_to_numpy, posterior.code_and_log_prob())
    np.testing.assert_allclose(code, z, atol=1e-6)
    expected = keras.ops.convert_to_numpy(posterior.log_prob(z))
    np.testing.assert_allclose(log_qz, expected, atol=1e-5)


def test_the_manifold_of_one_dimension_is_a_row(drawn):
    vae = watched_vae(1, sphere=False)
    plots.manifold(vae, n=3, limit=2.0)
    np.testing.assert_allclose(codes_of(drawn["images"], 1)[:, 0], [-2.0, 0.0, 2.0])
    assert (drawn["rows"], drawn["columns"]) == ([], ["−2.0", "+0.0", "+2.0"])
    vae = watched_vae(3, sphere=False)
    plots.manifold(vae, n=2, limit=1.0, dimensions=(2,))
    np.testing.assert_allclose(codes_of(drawn["images"], 3), [[0, 0, -1], [0, 0, 1]])


def test_interpolations_of_one_dimension_are_straight(drawn):
    vae = watched_vae(1, sphere=False)
    plots.interpolations(vae, IMAGES[:3], IMAGES[3:], 4, spherical=True)
    z = vae.encode(IMAGES)
    codes = codes_of(drawn["images"], 1).reshape(3, 4, 1)
    np.testing.assert_allclose(codes, np.linspace(z[:3], z[3:], 4, axis=1), atol=1e-5)


@pytest.mark.parametrize("dimensions", [(0, 3), (1, 1), (-1, 0), (0, 1, 2), (), (0.5, 1), 0, "01"])
def test_dimensions_that_the_code_has_not_are_named(dimensions):
    with pytest.raises(ValueError, match=r"dimensions must be one or two .* from 0 to 2; received"):
        plots.manifold(watched_vae(3, sphere=False), dimensions=dimensions)
