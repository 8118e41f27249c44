import io

import numpy as np
import pytest
from helpers import on_one_backend
from PIL import Image

import keras_vae as kv
from keras_vae import plots

pytestmark = on_one_backend


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


def test_score_maps_have_one_scale(vae, images):
    figure = plots.score_maps(vae, images, n=4, limit=2.0)
    drawn = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(drawn[:8, :8], images[0], atol=1e-6)
    costs = -vae.score_per_feature(images[:4]).sum(axis=-1)
    costs -= costs.min()
    light = np.stack([drawn[18:26, 9 * i : 9 * i + 8].sum(axis=-1) for i in range(4)])
    order = np.argsort(costs.ravel())
    assert (np.diff(light.ravel()[order]) >= -1e-6).all()  # brighter where it costs more
    assert "to 2 nats" in figure.axes[0].get_yticklabels()[2].get_text()
    grey = kv.VAE(
        kv.VariationalEncoder(2, kv.networks.DenseEncoder((4,))), kv.networks.DenseDecoder((8, 8))
    )
    grey.build((None, 8, 8))
    assert pixels(plots.score_maps(grey, images[..., 0], n=3)).std() > 10


def test_p_values_of_usual_data_lie_at_the_line():
    figure = plots.p_value_histogram((np.arange(100) + 0.5) / 100, bins=10)
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(heights, 1.0)
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), 1.0)


def test_samples_are_those_of_the_seed(vae):
    figure = plots.samples(vae, rows=2, columns=3, seed=1)
    drawn = np.asarray(figure.axes[0].images[0].get_array())
    assert drawn.shape == (17, 26, 3)
    np.testing.assert_allclose(drawn[9:17, 18:26], vae.sample(6, seed=1)[5], atol=1e-6)


def test_images_come_in_any_form(vae, images):
    def stream():
        return iter([images[:2], images[2:]])

    for draw in (plots.reconstructions, lambda *args: plots.traversal(*args, index=3, columns=3)):
        figures = draw(vae, images), draw(vae, stream())
        np.testing.assert_array_equal(*map(pixels_of_axes, figures))


def pixels_of_axes(figure):
    return np.asarray(figure.axes[0].images[0].get_array())


def test_traversal_varies_one_dimension_a_row_ordered_by_kl(vae, images):
    # Dimension 2 is made the most informative one.
    vae.encoder.head.z_mean_head.bias.assign([0.0, 0.0, 5.0, 0.0])
    figure = plots.traversal(vae, images, columns=3, limit=2.0)
    axes = figure.axes[0]
    assert axes.get_yticklabels()[0].get_text().startswith("$z_{2}$")
    assert [t.get_text() for t in axes.get_xticklabels()] == ["−2.0", "+0.0", "+2.0"]
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


def test_interpolations_begin_and_end_at_reconstructions(vae, images):
    for spherical in (False, True):
        figure = plots.interpolations(vae, images[:2], images[2:4], 5, spherical=spherical)
        drawn = np.asarray(figure.axes[0].images[0].get_array())
        expected = vae.reconstruct(images[:4])
        np.testing.assert_allclose(drawn[:8, :8], expected[0], atol=1e-5)
        np.testing.assert_allclose(drawn[9:17, 36:44], expected[3], atol=1e-5)
    # The middle of the arc between a and b of one norm has that norm.
    a, b = vae.encode(images[:1])[0], vae.encode(images[2:3])[0]
    angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    middle = (a + b) * np.sin(angle / 2) / np.sin(angle)
    np.testing.assert_allclose(drawn[:8, 18:26], vae.decode(middle[None])[0], atol=1e-4)


def test_the_manifold_goes_right_and_up(vae):
    axes = plots.manifold(vae, n=3, limit=2.0, dimensions=(1, 3)).axes[0]
    drawn = np.asarray(axes.images[0].get_array())
    top_right = vae.decode(np.array([[0.0, 2.0, 0.0, 2.0]]))[0]
    np.testing.assert_allclose(drawn[:8, 18:26], top_right, atol=1e-5)
    assert [t.get_text() for t in axes.get_yticklabels()] == ["+2.0", "+0.0", "−2.0"]


def test_kl_per_dimension_draws_the_most_informative_first():
    axes = plots.kl_per_dimension(np.array([0.1, 2.0, 0.5])).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [2.0, 0.5, 0.1]
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "$z_{1}$", "$z_{2}$", "$z_{0}$"
    ]  # fmt: skip
    axes = plots.kl_per_dimension(np.ones((5, 5, 4))).axes[0]  # a grid of codes
    assert len(axes.patches) == 100 and not axes.get_xticklabels()


def test_latent_scatter_draws_the_two_dimensions_that_vary_most():
    z = np.random.default_rng(0).normal(size=(50, 4)) * [0.1, 2.0, 0.2, 1.0]
    axes = plots.latent_scatter(z, labels=np.arange(50) % 3).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$z_{1}$", "$z_{3}$")
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["0", "1", "2"]
    np.testing.assert_allclose(axes.collections[1].get_offsets(), z[1::3][:, [1, 3]])
    assert len(plots.latent_scatter(z, labels=z[:, 0]).axes) == 2  # with a colour bar
    with pytest.raises(ValueError, match="2 or more"):
        plots.latent_scatter(z[:, :1])
    with pytest.raises(ValueError, match="50 codes, but there are 3 labels"):
        plots.latent_scatter(z, labels=[1, 2, 3])


def test_history_rates_and_scores_are_drawn_on_given_axes(vae, images):
    from matplotlib.figure import Figure

    vae.compile("adam", jit_compile=False)
    log = vae.fit(images, epochs=3, validation_split=0.5, verbose=0)
    figure = Figure()
    axes = figure.subplots(2, 2).ravel()
    assert plots.history(log, "kl_loss", ax=axes[0]) is figure
    training, validation = axes[0].lines
    np.testing.assert_allclose(training.get_ydata(), log.history["kl_loss"])
    np.testing.assert_allclose(validation.get_ydata(), log.history["val_kl_loss"])
    assert list(training.get_xdata()) == [1, 2, 3]
    plots.rate_distortion([3.0, 1.0, 2.0], [1.0, 9.0, 4.0], betas=[0.5, 4, 1], ax=axes[1])
    np.testing.assert_allclose(axes[1].lines[0].get_xydata(), [[1, 9], [2, 4], [3, 1]])
    assert {text.get_text().strip() for text in axes[1].texts} == {"β = 0.5", "β = 4", "β = 1"}
    plots.score_histogram(np.arange(10.0), np.arange(20.0) - 30, bins=5, ax=axes[2])
    areas = [sum(bar.get_height() * bar.get_width() for bar in bars) for bars in axes[2].containers]
    np.testing.assert_allclose(areas, 1.0)
    plots.samples(vae, rows=2, columns=2, ax=axes[3])
    assert pixels(figure).std() > 10
    with pytest.raises(ValueError, match=r"no log 'mse'. Known logs: .*kl_loss"):
        plots.history(log, "mse")


# With a condition

CLASSES = np.arange(20) % 3


@pytest.fixture(scope="module")
def conditional(images):
    vae = kv.VAE(
        kv.VariationalEncoder(4, kv.networks.DenseEncoder((8,))),
        kv.networks.DenseDecoder((8, 8, 3), (8,)),
        condition=kv.conditions.OneHot(["ant", "bee", "a cat that is long"]),
    )
    vae.build({"x": (None, 8, 8, 3), "condition": (None,)})
    return vae


def names(figure, side):
    axes = figure.axes[0]
    ticks = axes.get_yticklabels() if side == "left" else axes.get_xticklabels()
    return [tick.get_text() for tick in ticks]


def test_samples_have_a_row_for_each_class(conditional):
    figure = plots.samples(conditional, columns=2, seed=1)
    assert names(figure, "left") == ["ant", "bee", "a cat that is long"]
    drawn = pixels_of_axes(figure)
    assert drawn.shape == (26, 17, 3)
    expected = conditional.sample(2, seed=1, condition="bee")
    np.testing.assert_allclose(drawn[9:17, 9:17], expected[1], atol=1e-6)
    figure = plots.samples(conditional, columns=2, seed=1, condition=["bee", "ant"])
    assert names(figure, "left") == ["bee", "ant"]
    np.testing.assert_allclose(pixels_of_axes(figure)[:8, 9:17], expected[1], atol=1e-6)
    figure = plots.samples(conditional, rows=2, columns=2, seed=1, condition="bee")
    assert names(figure, "left") == ["bee", "bee"]
    expected = conditional.sample(4, seed=1, condition="bee")
    np.testing.assert_allclose(pixels_of_axes(figure)[9:17, 9:17], expected[3], atol=1e-6)


def test_plots_of_images_take_their_condition(conditional, images):
    of_x = np.array(conditional.condition.names)[CLASSES]
    figure = plots.reconstructions(conditional, images, n=3, condition=of_x)
    assert names(figure, "above") == ["ant", "bee", "a cat tha…"]
    expected = conditional.reconstruct(images[:3], condition=of_x[:3])
    np.testing.assert_allclose(pixels_of_axes(figure)[9:17, 18:26], expected[2], atol=1e-6)
    in_dict = plots.reconstructions(conditional, {"x": images, "condition": of_x}, n=3)
    np.testing.assert_array_equal(pixels_of_axes(in_dict), pixels_of_axes(figure))

    figure = plots.traversal(conditional, images, index=4, columns=3, condition=of_x)
    first = int(names(figure, "left")[0][4])
    z = conditional.encode(images[4:5], condition="bee")
    z[0, first] = 2.5
    expected = conditional.decode(z, condition="bee")[0]
    np.testing.assert_allclose(pixels_of_axes(figure)[:8, 18:26], expected, atol=1e-5)

    figure = plots.interpolations(conditional, images[:2], images[2:4], 3, condition=of_x[:2])
    assert names(figure, "left") == ["ant", "bee"]
    expected = conditional.reconstruct(images[3:4], condition="bee")[0]
    np.testing.assert_allclose(pixels_of_axes(figure)[9:17, 18:26], expected, atol=1e-5)

    figure = plots.manifold(conditional, n=3, limit=1.0, condition="ant")
    expected = conditional.decode(np.array([[1.0, 1.0, 0.0, 0.0]]), condition="ant")[0]
    np.testing.assert_allclose(pixels_of_axes(figure)[:8, 18:26], expected, atol=1e-5)
    with pytest.raises(ValueError, match="condition is missing: pass it"):
        plots.manifold(conditional, n=3)


def test_transfer_decodes_one_code_with_each_condition(vae, conditional, images):
    figure = plots.transfer(conditional, images, "ant", n=2)
    assert names(figure, "left") == ["ant", "ant"]
    assert names(figure, "above") == ["input", "", "ant", "bee", "a cat tha…"]
    drawn = pixels_of_axes(figure)
    np.testing.assert_allclose(drawn[9:17, :8], images[1], atol=1e-6)
    for i, name in enumerate(conditional.condition.names):
        expected = conditional.transfer(images[1:2], "ant", name)[0]
        place = slice(9 * (i + 2), 9 * (i + 2) + 8)
        np.testing.assert_allclose(drawn[9:17, place], expected, atol=1e-5)
    with pytest.raises(ValueError, match="nothing to transfer to"):
        plots.transfer(vae, images)


def test_labels_of_several_conditions_and_of_unknown_ones(images):
    parts = {"kind": kv.conditions.OneHot(2, unknown=0.1), "angle": kv.conditions.Continuous(1)}
    vae = kv.VAE(kv.VariationalEncoder(2), kv.networks.DenseDecoder((8, 8, 3)), condition=parts)
    vae.build((None, 8, 8, 3))
    given = {"kind": [0, -1], "angle": [0.5, 1234.5]}
    figure = plots.samples(vae, columns=2, condition=given)
    assert names(figure, "left") == ["0, 0.5", "unknown, 1.23e+03"]
    figure = plots.samples(vae, columns=2, condition={"kind": [0, 1], "angle": 0.5})
    assert names(figure, "left") == ["0, 0.5", "1, 0.5"]
    with pytest.raises(ValueError, match="angle is missing"):
        plots.samples(vae)


def test_a_vae_that_guesses_its_condition_holds_the_likeliest_class(images):
    vae = kv.VAE(
        kv.VariationalEncoder(2, kv.networks.DenseEncoder((8,))),
        kv.networks.DenseDecoder((8, 8, 3), (8,)),
        condition=kv.conditions.OneHot(["ant", "bee", "cat"]),
        objective=kv.objectives.SemiSupervised(),
    )
    vae.build((None, 8, 8, 3))
    guesses = [vae.condition.names[i] for i in vae.classify(images).argmax(axis=1)]
    figure = plots.reconstructions(vae, images, n=4)
    assert names(figure, "above") == guesses[:4]
    drawn = pixels_of_axes(plots.traversal(vae, {"x": images}, index=3, columns=3, limit=1.0))
    z = vae.encode(images[3:4], condition=guesses[3])
    most = np.argmax(vae.kl_per_dimension(images))
    z[0, most] = 1.0
    expected = vae.decode(z, condition=guesses[3])[0]
    np.testing.assert_allclose(drawn[:8, 18:26], expected, atol=1e-5)


def test_imputations_of_vectors_show_their_spread():
    rng = np.random.default_rng(0)
    x = np.where(rng.random((6, 5)) < 0.5, np.nan, rng.normal(size=(6, 5)))
    x[1, 2:4] = np.nan
    several = np.where(np.isnan(x), rng.normal(size=(40, 6, 5)), x)
    figure = plots.imputations(x, several, truth=np.nan_to_num(x), n=3, names=list("abcde"))
    assert len(figure.axes) == 3
    (bars,) = figure.axes[1].collections
    missing = np.flatnonzero(np.isnan(x[1]))
    expected = np.quantile(several[:, 1, missing], (0.05, 0.95), axis=0)
    drawn = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(drawn, expected.T)
    assert [t.get_text() for t in figure.axes[2].get_xticklabels()] == list("abcde")
    assert pixels(figure).std() > 10


def test_imputations_of_images_stand_beside_what_was_observed(images):
    x = images.copy()
    x[:, 4:] = np.nan
    several = np.where(np.isnan(x), np.random.default_rng(1).random((7, *x.shape)), x)
    figure = plots.imputations(x, several, truth=images, n=2, n_draws=3)
    labels = [t.get_text() for t in figure.axes[0].get_xticklabels()]
    assert labels == ["observed", "mean", "draw 1", "draw 2", "draw 3", "truth"]
    drawn = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(drawn[4:8, :8], 0.5)
    np.testing.assert_allclose(drawn[:8, 9:17], several[:, 0].mean(axis=0), atol=1e-6)
    with pytest.raises(ValueError, match="imputations of x"):
        plots.imputations(x, several[0])
