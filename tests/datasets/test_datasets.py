import numpy as np
import pytest
from PIL import Image

from keras_vae.datasets import Sprites, load


@pytest.fixture(scope="module")
def sprites():
    return Sprites()


def test_sprites_have_every_combination_of_factors(sprites):
    assert len(sprites) == 3 * 6 * 40 * 32 * 32
    indices = np.array([0, 1, 32, 32 * 32, len(sprites) - 1])
    factors = sprites.factors(indices)
    np.testing.assert_array_equal(
        factors,
        [[0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 1, 0], [0, 0, 1, 0, 0], [2, 5, 39, 31, 31]],
    )
    images = sprites[factors]
    assert images.shape == (5, 64, 64, 1)
    assert images.dtype == "float32"
    np.testing.assert_array_equal(sprites[factors[3]], images[3])


def test_sprites_are_binary_and_inside_the_image(sprites):
    images, factors = sprites.sample(500, seed=0)
    assert set(np.unique(images)) == {0.0, 1.0}
    largest = sprites[[[s, 5, o, x, y] for s in range(3) for o in range(0, 40, 3)
                       for x in (0, 31) for y in (0, 31)]]  # fmt: skip
    for border in (largest[:, 0], largest[:, -1], largest[:, :, 0], largest[:, :, -1]):
        assert border.max() == 0.0
    assert images.sum(axis=(1, 2, 3)).min() > 20
    assert len(np.unique(factors, axis=0)) == 500


def test_sprites_factors_mean_what_they_say(sprites):
    def centroid(image):
        weights = image[..., 0] / image.sum()
        pixels = np.arange(64) + 0.5
        return (weights.sum(0) * pixels).sum(), (weights.sum(1) * pixels).sum()

    for shape in (0, 1):
        x, y = centroid(sprites[[shape, 3, 0, 0, 31]])
        np.testing.assert_allclose([x, y], [0.35 * 64, 0.65 * 64], atol=0.6)
    areas = [sprites[[1, scale, 0, 16, 16]].sum() for scale in range(6)]
    radii = 64 * np.linspace(0.14, 0.28, 6)
    np.testing.assert_allclose(areas, np.pi * radii * radii / 2, rtol=0.08)
    square = 4 * (0.75 * radii[5]) ** 2
    np.testing.assert_allclose(sprites[[0, 5, 7, 16, 16]].sum(), square, rtol=0.05)
    # A quarter turn of the ellipse exchanges its axes; the heart has no such symmetry.
    ellipse, turned = sprites[[[1, 5, 0, 16, 16], [1, 5, 10, 16, 16]]][..., 0]
    assert np.ptp(np.nonzero(ellipse)[1]) > 1.5 * np.ptp(np.nonzero(ellipse)[0])
    assert np.ptp(np.nonzero(turned)[0]) > 1.5 * np.ptp(np.nonzero(turned)[1])
    heart, upside_down = sprites[[[2, 5, 0, 16, 16], [2, 5, 20, 16, 16]]]
    assert np.abs(heart - upside_down).sum() > 100


def test_sprites_are_drawn_alike_for_the_same_seed(sprites):
    for first, second in zip(sprites.sample(9, seed=1), sprites.sample(9, seed=1), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "factors", [[0, 0, 0, 0], [3, 0, 0, 0, 0], [0, 0, 0, 0, -1], [0.5, 0, 0, 0, 0]]
)
def test_sprites_refuse_what_is_no_factor(sprites, factors):
    with pytest.raises(IndexError, match=r"[Ff]actor"):
        sprites[factors]


GREY = np.arange(2 * 3 * 4, dtype="uint8").reshape(2, 3, 4) * 10


def test_files(tmp_path):
    np.save(tmp_path / "x.npy", GREY)
    np.savez(tmp_path / "one.npz", digits=GREY)
    np.savez(tmp_path / "two.npz", x_train=GREY, y_train=np.zeros(2))
    for name in ("x.npy", "one.npz", "two.npz"):
        x = load(tmp_path / name)
        assert x.dtype == "float32"
        np.testing.assert_allclose(x, GREY[..., None] / 255.0)
    assert load(tmp_path / "two.npz", key="y_train").shape == (2,)
    np.save(tmp_path / "floats.npy", np.float64([[-3.0, 7.0]]))
    np.testing.assert_array_equal(load(tmp_path / "floats.npy"), [[-3.0, 7.0]])
    np.save(tmp_path / "bits.npy", np.uint8([[0, 1]]))
    np.testing.assert_array_equal(load(tmp_path / "bits.npy"), [[0.0, 1.0]])


def test_images_are_scaled_by_the_range_of_their_type_and_counts_left_alone(tmp_path):
    rng = np.random.default_rng(0)

    def loaded(array):
        np.save(tmp_path / "x.npy", array)
        return load(tmp_path / "x.npy")

    for shape, channels in (((3, 4, 5), (3, 4, 5, 1)), ((3, 4, 5, 2), (3, 4, 5, 2))):
        deep = rng.integers(2**16, size=shape).astype("uint16")
        np.testing.assert_allclose(loaded(deep), deep.reshape(channels) / 65535.0, rtol=1e-6)
        dark = (deep % 200).astype("uint16")  # by the type, not by the values
        np.testing.assert_allclose(loaded(dark), dark.reshape(channels) / 65535.0, rtol=1e-6)
    flat = rng.integers(256, size=(3, 20)).astype("uint8")
    np.testing.assert_allclose(loaded(flat), flat / 255.0, rtol=1e-6)
    for kind in ("int64", "int32", "uint16", "uint32", "int8"):
        counts = rng.poisson(30, size=(6, 7)).astype(kind)
        np.testing.assert_array_equal(loaded(counts), counts)
    sequences = rng.poisson(3, size=(4, 5, 6))
    np.testing.assert_array_equal(loaded(sequences), sequences)
    labels = np.arange(5, dtype="uint8")
    np.testing.assert_array_equal(loaded(labels), labels)
    np.testing.assert_array_equal(loaded(flat > 99), flat > 99)


def test_folder_of_images_of_16_bits(tmp_path):
    deep = np.linspace(0, 65535, 6 * 8).astype("uint16").reshape(6, 8)
    Image.fromarray(deep).save(tmp_path / "a.png")
    white = deep[None, ..., None] / 65535.0
    np.testing.assert_allclose(load(tmp_path, image_size=(6, 8)), white, atol=1e-4)
    half = load(tmp_path, image_size=(3, 4))[0, ..., 0]
    blocks = white[0, ..., 0].reshape(3, 2, 4, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(half[1:-1, 1:-1], blocks[1:-1, 1:-1], atol=1e-3)
    np.testing.assert_allclose(half, blocks, atol=0.1)  # borders have fewer neighbours


def test_folder_of_images(tmp_path):
    (tmp_path / "grey").mkdir()
    (tmp_path / "colour" / "deeper").mkdir(parents=True)
    Image.fromarray(GREY[0]).save(tmp_path / "grey" / "a.png")
    Image.new("RGB", (20, 10), (255, 0, 51)).save(tmp_path / "colour" / "b.png")
    Image.new("RGB", (9, 9), (0, 255, 51)).save(tmp_path / "colour" / "deeper" / "c.png")
    grey = load(tmp_path / "grey", image_size=(3, 4))
    np.testing.assert_allclose(grey, GREY[:1, ..., None] / 255.0, atol=1e-6)
    colour = load(tmp_path / "colour", image_size=(8, 6))
    assert colour.shape == (2, 8, 6, 3)
    np.testing.assert_allclose(colour[0], np.broadcast_to([1.0, 0.0, 0.2], (8, 6, 3)), atol=1e-6)


def test_keras_datasets(monkeypatch):
    import keras

    pair = ((GREY, None), (GREY, None))
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: pair)
    np.testing.assert_allclose(load("mnist"), GREY[..., None] / 255.0)


def test_wrong_use(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file or folder 'mnits'.*mnist"):
        load("mnits")
    with pytest.raises(ValueError, match="holds no images"):
        load(tmp_path)
    (tmp_path / "x.csv").write_text("1,2")
    with pytest.raises(ValueError, match=r"neither a .npy or .npz file"):
        load(tmp_path / "x.csv")
    np.savez(tmp_path / "two.npz", a=GREY, b=GREY)
    with pytest.raises(ValueError, match=r"no array 'x_train'.*\['a', 'b'\]"):
        load(tmp_path / "two.npz")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        load(tmp_path / "objects.npy")
