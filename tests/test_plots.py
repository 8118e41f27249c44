import io

import numpy as np
import pytest
from PIL import Image

import keras_vae as kv
from keras_vae import plots


def pixels(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return np.asarray(Image.open(buffer).convert("RGB"))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((20, 8, 8, 3)).astype("float32")


@pytest.fixture(scope="module")
def vae(images):
    vae = kv.VAE(
        kv.VariationalEncoder(4, kv.networks.ConvEncoder((4,))),
        kv.networks.ConvDecoder((8, 8, 3), filters=(4,)),
    )
    vae.build((None, 8, 8, 3))
    return vae


def test_reconstructions_stand_below_their_inputs(vae, images):
    figure = plots.reconstructions(vae, images, n=5)
    (axes,) = figure.axes
    drawn = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(drawn[:8, :8], images[0])
    np.testing.assert_allclose(drawn[9:17, :8], vae.reconstruct(images[:5])[0], atol=1e-6)
    assert [t.get_text() for t in axes.get_yticklabels()] == ["input", "reconstruction"]
    assert pixels(figure).std() > 10


def test_samples_are_those_of_the_seed(vae):
    figure = plots.samples(vae, rows=2, columns=3, seed=1)
    drawn = np.asarray(figure.axes[0].images[0].get_array())
    assert drawn.shape == (17, 26, 3)
    np.testing.assert_allclose(drawn[9:17, 18:26], vae.sample(6, seed=1)[5], atol=1e-6)


def test_traversal_varies_one_dimension_a_row_ordered_by_kl(vae, images):
    # Dimension 2 is made the most informative one.
    vae.encoder.head.z_mean_head.bias.assign([0.0, 0.0, 5.0, 0.0])
    figure = plots.traversal(vae, images, columns=3, limit=2.0)
    axes = figure.axes[0]
    assert axes.get_yticklabels()[0].get_text().startswith("$z_{2}$")
    assert [t.get_text() for t in axes.get_xticklabels()] == ["-2.0", "+0.0", "+2.0"]
    code = vae.encode(images[:1])
    code[0, 2] = 2.0
    drawn = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(drawn[:8, 18:26], vae.decode(code)[0], atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 3, 8, 6, 1), (1, 1, 5, 9, 3)])
def test_grids_of_any_size_and_colour(shape):
    assert pixels(plots.image_grid(np.random.default_rng(0).random(shape))).std() > 10


def test_wrong_use(vae):
    with pytest.raises(ValueError, match="rows, columns, height, width"):
        plots.image_grid(np.zeros((3, 8, 8)))
