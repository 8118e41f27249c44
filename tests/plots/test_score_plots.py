import numpy as np
import pytest
from helpers import on_one_backend
from test_plots import pixels

from keras_vae import evaluation, plots

pytestmark = on_one_backend

RNG = np.random.default_rng(0)


def test_calibration_shows_the_bins_that_have_rows():
    p, labels = np.array([0.2, 0.2, 0.9, 0.8]), [0, 1, 1, 1]
    figure = plots.calibration(p, labels, n_bins=2)
    (axes,) = figure.axes
    points = np.asarray(axes.collections[-1].get_offsets())
    np.testing.assert_allclose(points, [[0.2, 0.5], [0.85, 1.0]])
    assert "0.225" in axes.get_title() and axes.get_xlabel() == "probability of class 1"
    figure = plots.calibration(RNG.dirichlet(np.ones(3), 50), RNG.integers(3, size=50))
    assert figure.axes[0].get_xlabel() == "confidence" and pixels(figure).std() > 10


def test_gaussian_calibration_shows_the_coverage():
    target = RNG.normal(size=500)
    figure = plots.gaussian_calibration(np.zeros(500), np.full(500, 2.0), target)
    levels, shares = figure.axes[0].lines[-1].get_data()
    expected = evaluation.gaussian_coverage(np.zeros(500), 2.0, target, levels)
    np.testing.assert_allclose(shares, expected)
    assert (shares[1:] > levels[1:]).all()  # error bars that are too large


def test_importances_stand_in_a_row_per_factor():
    table = RNG.random((4, 2))
    figure = plots.importance_matrix(table, ["scale", "x"])
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), table.T)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["scale", "x"]
    assert axes.texts[1].get_text() == f"{table[1, 0]:.2f}"
    assert pixels(figure).std() > 10
    with pytest.raises(ValueError, match="received 4 and 3 names"):
        plots.importance_matrix(table, ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"shape \(d, k\)"):
        plots.importance_matrix(table[0])


def test_the_cloud_tells_what_is_missed_and_what_is_off():
    real = np.concatenate([RNG.normal(size=(30, 3)), RNG.normal(size=(20, 3)) + 30.0])
    fake = np.concatenate([real[:30] + 0.01, real[:7] - 50.0])
    figure = plots.precision_recall_cloud(real, fake, k=3)
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "real, missed (20)" in labels and "fake, outside (7)" in labels
    precision, recall = evaluation.precision_recall(real, fake, k=3)
    assert axes.get_title() == f"precision {precision:.2f}, recall {recall:.2f}"
    assert pixels(figure).std() > 10
    assert plots.precision_recall_cloud(real, real).axes  # nothing outside
    with pytest.raises(ValueError, match="two features"):
        plots.precision_recall_cloud(real[:, :1], fake[:, :1])


def test_axes_can_be_given():
    from matplotlib.figure import Figure

    axes = Figure().subplots(1, 2)
    assert plots.importance_matrix(np.eye(2), ax=axes[0]) is axes[0].figure
    assert plots.calibration([0.1, 0.9], [0, 1], ax=axes[1]) is axes[1].figure
