"""VAEDetector: finds anomalies at a rate of false alarms."""

from typing import Any, Self

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from keras_vae.estimators.base import VAEEstimator, in_full_batches
from keras_vae.evaluation import conformal
from keras_vae.evaluation.anomaly_detector import AnomalyDetector

_RATE = 0.05


class VAEDetector(OutlierMixin, VAEEstimator):
    """Finds rows that are unlike those it was fitted on.

    With `contamination="auto"` nothing is guessed about how many anomalies X has: a share of it
    is held out, and `predict` calls at most a share `rate` of new usual rows anomalies, on
    average over held-out sets, see `keras_vae.AnomalyDetector`. With a number it calls that
    share of X anomalies, as scikit-learn's other detectors do.

    Args:
        latent_dim: the number of latent dimensions.
        beta: β, the weight of the KL.
        contamination: `"auto"`, or the share of X that are anomalies, in (0, 0.5].
        rate: of false alarms, for `"auto"`; `None` is 0.05, or the smallest that the held-out
            rows allow if that is larger.
        calibration_fraction: the share of rows that is held out, for `"auto"`.
        anomaly_score: what a row is judged by: `"score"`, `"log_likelihood"`,
            `"reconstruction_probability"` or `"error"`, see `keras_vae.AnomalyDetector`.
        hidden_units: width of each layer of the encoder; the decoder has them in reverse.
        likelihood: of a feature given its code, a name or object of `keras_vae.likelihoods`.
        sigma: σ of `likelihood="gaussian"`: a number, `"optimal"` (one for all features, that of
            the errors) or another choice of `keras_vae.likelihoods.Gaussian`.
        epochs: how often the data is gone through, at most.
        batch_size: rows per training step.
        learning_rate: of Adam.
        validation_fraction: the share of rows that early stopping is judged by.
        patience: epochs without a better loss of these rows until training stops, with the best
            weights; `None` trains for all epochs.
        random_state: makes fits repeatable: a number, a `RandomState` or `None`.
        verbose: 1 shows a progress bar, as for `keras.Model.fit`.

    Attributes:
        vae_: the trained `VAE`.
        offset_: the score below which a row is an anomaly.
        rate_: the rate of false alarms, `None` where `contamination` is a number.
        calibration_scores_: scores of the held-out rows, ascending, `None` likewise.
        n_iter_: the number of epochs trained.
        history_: the logs of each epoch, a dict of lists.
        n_features_in_: the number of columns of X.
        feature_names_in_: their names, where X is a frame.

    Example:
        >>> is_odd = VAEDetector(rate=0.01).fit(X).predict(X_new) == -1
    """

    def __init__(
        self,
        latent_dim: int = 8,
        *,
        beta: float = 1.0,
        contamination: float | str = "auto",
        rate: float | None = None,
        calibration_fraction: float = 0.2,
        anomaly_score: str = "score",
        hidden_units: tuple[int, ...] = (128, 128),
        likelihood: Any = "gaussian",
        sigma: float | str = "optimal",
        epochs: int = 50,
        batch_size: int = 128,
        learning_rate: float = 3e-3,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.latent_dim = latent_dim
        self.beta = beta
        self.contamination = contamination
        self.rate = rate
        self.calibration_fraction = calibration_fraction
        self.anomaly_score = anomaly_score
        self.hidden_units = hidden_units
        self.likelihood = likelihood
        self.sigma = sigma
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None) -> Self:  # noqa: N803
        """Trains a VAE on X and finds the score below which a row is an anomaly.

        Args:
            X: usual data, `(n, n_features)`, without missing values.
            y: nothing; pipelines pass it.

        Raises:
            ValueError: if X is no finite table, has too few rows for the rate, before it is
                trained on, or an argument is out of its range.
        """
        X = self._checked(X, fit=True, ensure_min_samples=2)  # noqa: N806
        if self.contamination == "auto":
            self._fit_at_rate(X)
        else:
            share = self._check_share("contamination", self.contamination, 0.5)
            self.rate_ = self.calibration_scores_ = None
            self._fit_vae(X, beta=self.beta)
            self.offset_ = float(np.percentile(self._scores(X), 100.0 * share))
        return self

    def _fit_at_rate(self, x):
        share = self._check_share("calibration_fraction", self.calibration_fraction, 1.0)
        n = min(max(1, round(share * len(x))), len(x) - 1)
        self.rate_ = max(_RATE, 1.0 / (n + 1)) if self.rate is None else self.rate
        conformal.check_n(n, conformal.check_rate("rate", self.rate_))
        order = check_random_state(self.random_state).permutation(len(x))
        self._fit_vae(x[order[n:]], beta=self.beta)
        detector = AnomalyDetector(self.vae_, self.anomaly_score)
        detector.calibrate(x[order[:n]].astype("float32"), self.rate_)
        self.calibration_scores_ = detector.calibration_scores
        self.offset_ = -float(detector.threshold)

    @staticmethod
    def _check_share(name, value, most):
        if isinstance(value, str) or not 0.0 < value <= most or value == 1.0:
            raise ValueError(
                f"{name} must be a number in (0, {most:g}{']' if most < 1 else ')'}"
                f"{', or ' + repr('auto') if most < 1 else ''}; received {value!r}."
            )
        return float(value)

    @property
    def detector_(self) -> AnomalyDetector:
        """The calibrated `keras_vae.AnomalyDetector`, for p-values and the report."""
        check_is_fitted(self)
        detector = AnomalyDetector(self.vae_, self.anomaly_score)
        detector.rate, detector.calibration_scores = self.rate_, self.calibration_scores_
        return detector

    def score_samples(self, X) -> np.ndarray:  # noqa: N803
        """Returns how usual each row is, `(n,)`: higher is more usual, in nats but for errors."""
        return self._scores(self._checked(X))

    def decision_function(self, X) -> np.ndarray:  # noqa: N803
        """Returns `score_samples(X) - offset_`, `(n,)`: below 0 for anomalies."""
        return self.score_samples(X) - self.offset_

    def predict(self, X) -> np.ndarray:  # noqa: N803
        """Returns -1 for anomalies and 1 for the rest, `(n,)`."""
        return np.where(self.decision_function(X) < 0.0, -1, 1)

    def _scores(self, x):
        detector = AnomalyDetector(self.vae_, self.anomaly_score)
        return -in_full_batches(detector.score, x).astype("float64")
