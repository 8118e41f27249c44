"""Anomaly scores by hand and by scikit-learn's curves."""

import numpy as np
import pytest
from helpers import on_one_backend
from sklearn.metrics import roc_curve

from keras_vae import evaluation

pytestmark = on_one_backend

RNG = np.random.default_rng(0)
IS_ANOMALY = (RNG.random(400) < 0.2).astype(int)
SCORES = np.round(RNG.normal(size=400) + IS_ANOMALY, 1)  # with ties


def test_auroc_is_the_probability_of_a_pair():
    odd, usual = SCORES[IS_ANOMALY == 1], SCORES[IS_ANOMALY == 0]
    pairs = odd[:, None] - usual
    expected = np.mean((pairs > 0) + 0.5 * (pairs == 0))
    assert evaluation.auroc(SCORES, IS_ANOMALY) == pytest.approx(expected)
    assert evaluation.auroc(-SCORES, IS_ANOMALY.astype(bool)) == pytest.approx(1 - expected)


def test_average_precision_sums_over_thresholds():
    total, previous = 0.0, 0.0
    for threshold in np.unique(SCORES)[::-1]:
        flagged = threshold <= SCORES
        recall = IS_ANOMALY[flagged].sum() / IS_ANOMALY.sum()
        total += (recall - previous) * IS_ANOMALY[flagged].mean()
        previous = recall
    assert evaluation.average_precision(SCORES, IS_ANOMALY) == pytest.approx(total)


@pytest.mark.parametrize("n_odd", [1, 19, 20, 40, 100])
def test_fpr_at_95_tpr_is_the_curves_first_point_there(n_odd):
    is_anomaly = np.arange(300) < n_odd
    scores = np.round(np.random.default_rng(n_odd).normal(size=300) + is_anomaly, 1)
    fpr, tpr, _ = roc_curve(is_anomaly, scores, drop_intermediate=False)
    expected = fpr[np.argmax(tpr >= 0.95 - 1e-12)]
    assert evaluation.fpr_at_95_tpr(scores, is_anomaly) == pytest.approx(expected)


def test_an_infinite_score_is_the_strangest():
    scores, labels = [0.0, 1.0, np.inf, 2.0], [0, 0, 1, 1]
    assert evaluation.auroc(scores, labels) == 1.0
    assert evaluation.average_precision(scores, labels) == 1.0
    assert evaluation.fpr_at_95_tpr(scores, labels) == 0.0


def test_bad_scores_are_refused():
    for score in (evaluation.auroc, evaluation.average_precision, evaluation.fpr_at_95_tpr):
        with pytest.raises(ValueError, match="one class only"):
            score(SCORES, IS_ANOMALY * 0)
        with pytest.raises(ValueError, match="scores come first"):
            score(IS_ANOMALY, SCORES)
        with pytest.raises(ValueError, match="NaN"):
            score(SCORES * np.nan, IS_ANOMALY)
        with pytest.raises(ValueError, match=r"shape \(n,\)"):
            score(SCORES, IS_ANOMALY[1:])
