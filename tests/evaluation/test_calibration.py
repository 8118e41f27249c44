"""Calibration: scikit-learn, SciPy and hand-made arrays."""

import numpy as np
import pytest
from helpers import on_one_backend
from scipy import integrate, stats
from sklearn.metrics import brier_score_loss

from keras_vae import evaluation

pytestmark = on_one_backend

RNG = np.random.default_rng(0)
P = RNG.dirichlet(np.ones(4), size=200)
LABELS = RNG.integers(4, size=200)
MEAN, STD = RNG.normal(size=300), RNG.random(300) + 0.2
TARGET = MEAN + 1.5 * STD * RNG.normal(size=300)


def test_errors_are_gaps_of_bins_open_below():
    # Confidences 0.5 (bin (0.25, 0.5]), 0.75 and 0.7 (bin (0.5, 0.75]), 1.0.
    p = np.array([[0.5, 0.5], [0.75, 0.25], [0.3, 0.7], [1.0, 0.0]])
    labels = [0, 1, 1, 1]
    found = evaluation.reliability(p, labels, n_bins=4)
    np.testing.assert_array_equal(found.n_rows, [0, 1, 2, 1])
    np.testing.assert_allclose(found.confidence, [np.nan, 0.5, 0.725, 1.0])
    np.testing.assert_allclose(found.accuracy, [np.nan, 1.0, 0.5, 0.0])
    gaps = np.array([0.5, 0.225, 1.0])
    shares = np.array([0.25, 0.5, 0.25])
    error = evaluation.expected_calibration_error(p, labels, n_bins=4)
    assert error == pytest.approx((shares * gaps).sum())
    assert evaluation.maximum_calibration_error(p, labels, n_bins=4) == pytest.approx(1.0)
    rms = evaluation.rms_calibration_error(p, labels, n_bins=4)
    assert rms == pytest.approx(np.sqrt((shares * gaps**2).sum()))


def test_probabilities_of_one_class_are_binned_themselves():
    p, labels = np.array([0.0, 0.1, 0.9, 1.0]), [0, 1, 1, 1]
    found = evaluation.reliability(p, labels, n_bins=2)
    np.testing.assert_allclose(found.confidence, [0.05, 0.95])
    np.testing.assert_allclose(found.accuracy, [0.5, 1.0])
    assert evaluation.brier_score(p, labels) == pytest.approx(brier_score_loss(labels, p))


def test_brier_is_that_of_scikit_learn():
    expected = brier_score_loss(LABELS, P, labels=range(4), scale_by_half=False)
    assert evaluation.brier_score(P, LABELS) == pytest.approx(expected)
    assert evaluation.brier_score(np.eye(3), [0, 1, 2]) == 0.0


def test_calibrated_probabilities_have_a_small_error():
    p = RNG.random(20_000)
    labels = (RNG.random(20_000) < p).astype(int)
    assert evaluation.expected_calibration_error(p, labels) < 0.02
    assert evaluation.expected_calibration_error(p**3, labels) > 0.1


def test_gaussian_scores_are_those_of_scipy():
    normal = stats.norm(MEAN, STD)
    found = evaluation.gaussian_nll(MEAN, STD, TARGET)
    assert found == pytest.approx(-normal.logpdf(TARGET).mean())
    inside = [
        np.mean((low <= TARGET) & (high >= TARGET))
        for low, high in (normal.interval(level) for level in (0.5, 0.9))
    ]
    np.testing.assert_allclose(
        evaluation.gaussian_coverage(MEAN, STD, TARGET, levels=(0.5, 0.9)), inside
    )
    assert len(evaluation.gaussian_coverage(MEAN, STD, TARGET)) == 9


def test_crps_is_the_integral_of_its_definition():
    m, s, y = 0.3, 0.8, 1.1
    below = integrate.quad(lambda t: stats.norm.cdf(t, m, s) ** 2, -10, y)[0]
    above = integrate.quad(lambda t: (1 - stats.norm.cdf(t, m, s)) ** 2, y, 12)[0]
    assert evaluation.gaussian_crps([m], [s], [y]) == pytest.approx(below + above, rel=1e-7)
    almost_sure = evaluation.gaussian_crps(MEAN, np.full(300, 1e-9), TARGET)
    assert almost_sure == pytest.approx(np.abs(MEAN - TARGET).mean())


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (P, LABELS[:-1], "shape"),
        (P * 3, LABELS, "sum to 1"),
        (P * np.nan, LABELS, "NaN"),
        (np.log(P), LABELS, "softmax"),
        (P, LABELS + 1, "from 0 to 3"),
        (P[:, 0], LABELS, "from 0 to 1"),
        (P, LABELS + 0.5, "whole numbers"),
    ],
)
def test_bad_probabilities_are_refused(probabilities, labels, message):
    for score in (evaluation.expected_calibration_error, evaluation.brier_score):
        with pytest.raises(ValueError, match=message):
            score(probabilities, labels)


def test_bad_error_bars_are_refused():
    for score in (
        evaluation.gaussian_nll,
        evaluation.gaussian_crps,
        evaluation.gaussian_coverage,
    ):
        with pytest.raises(ValueError, match="above 0"):
            score(MEAN, STD - 1, TARGET)
        with pytest.raises(ValueError, match="finite"):
            score(MEAN, STD, TARGET * np.nan)
        with pytest.raises(ValueError, match="same shape"):
            score(MEAN, STD, TARGET[:-1])
    with pytest.raises(ValueError, match="levels"):
        evaluation.gaussian_coverage(MEAN, STD, TARGET, levels=(0.5, 1.0))
