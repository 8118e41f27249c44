"""How well scores tell anomalies from usual data. All take the scores first."""

import numpy as np

from keras_vae.validation.extras import require


def auroc(scores, is_anomaly) -> float:
    """Probability that an anomaly scores above a usual sample, ties counting ½.

    ½ is chance. Far below it the sign is wrong: −log p(x) is a score, log p(x) is not.

    Args:
        scores: higher is stranger, `(n,)`.
        is_anomaly: 0 or 1, `(n,)`.

    Raises:
        ValueError: for other shapes, NaN, or labels of one class.
        ImportError: without scikit-learn.
    """
    scores, is_anomaly = _check(scores, is_anomaly)
    return float(require("sklearn.metrics", "sklearn", "auroc").roc_auc_score(is_anomaly, scores))


def average_precision(scores, is_anomaly) -> float:
    """Σ (Rₙ − Rₙ₋₁) Pₙ over the thresholds, without interpolation.

    Chance is the share of anomalies.

    Args:
        scores: higher is stranger, `(n,)`.
        is_anomaly: 0 or 1, `(n,)`.

    Raises:
        ValueError: for other shapes, NaN, or labels of one class.
        ImportError: without scikit-learn.
    """
    scores, is_anomaly = _check(scores, is_anomaly)
    metrics = require("sklearn.metrics", "sklearn", "average_precision")
    return float(metrics.average_precision_score(is_anomaly, scores))


def fpr_at_95_tpr(scores, is_anomaly) -> float:
    """Share of usual samples flagged at the highest threshold that finds 95 % of the anomalies.

    Args:
        scores: higher is stranger, `(n,)`.
        is_anomaly: 0 or 1, `(n,)`.

    Raises:
        ValueError: for other shapes, NaN, or labels of one class.
    """
    scores, is_anomaly = _check(scores, is_anomaly)
    anomalies = np.sort(scores[is_anomaly])[::-1]
    n_found = -(-95 * len(anomalies) // 100)  # whole numbers, as 0.95 · n rounds
    return float(np.mean(scores[~is_anomaly] >= anomalies[n_found - 1]))


def _check(scores, is_anomaly):
    scores, is_anomaly = np.asarray(scores), np.asarray(is_anomaly)
    if scores.ndim != 1 or scores.shape != is_anomaly.shape or not len(scores):
        raise ValueError(
            f"scores and is_anomaly must have shape (n,); received {scores.shape} and "
            f"{is_anomaly.shape}."
        )
    if scores.dtype.kind not in "biuf" or np.isnan(scores).any():
        raise ValueError("scores must be numbers without NaN.")
    if not np.isin(is_anomaly, (0, 1)).all():
        raise ValueError("is_anomaly must hold 0 and 1; the scores come first.")
    is_anomaly = is_anomaly.astype(bool)
    if is_anomaly.all() or not is_anomaly.any():
        raise ValueError("is_anomaly has one class only; anomalies and usual samples are needed.")
    # Places in the order, with ties: only these count, and an infinite score has one too.
    return np.unique(scores, return_inverse=True)[1], is_anomaly
