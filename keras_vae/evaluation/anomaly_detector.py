"""AnomalyDetector: a trained VAE with a rate of false alarms."""

import hashlib
import os
from typing import Any

import numpy as np
from keras import ops

from keras_vae.evaluation import conformal
from keras_vae.evaluation.anomaly_scores import SCORES, Draws
from keras_vae.evaluation.calibration_report import CalibrationReport
from keras_vae.reading.batch import opened
from keras_vae.reading.forms import as_data, has_rows
from keras_vae.saving.atomic_write import written_beside
from keras_vae.validation.arguments import check_choice, check_count

_CONTROLS = ("rate", "fdr")


class AnomalyDetector:
    """Finds what is unlike usual data, at a rate of false alarms that you choose.

    A score says how strange x is to a trained VAE, **higher for stranger x**. Scores of held-out
    usual data make p-values of it, which are valid whatever the model: at a rate α at most a
    share α of new usual data is called an anomaly, on average over calibration sets. No anomaly
    is needed, nor a guess how many there are.

    Args:
        vae: a trained VAE.
        score: what x is judged by:

            - `"score"`: `-vae.score(x)`, nats. One pass, nothing drawn.
            - `"log_likelihood"`: -log p(x) by importance sampling, nats.
            - `"reconstruction_probability"`: -E_q[log p(x|z)], nats (An & Cho, 2015).
            - `"error"`: the mean squared error of the reconstruction.
        n_samples: draws of z per input, of the two scores that draw.
        seed: of these draws: the same x has the same score, in every process.
        two_sided: whether what is more usual than usual data is an anomaly too, such as an image
            without the usual noise: the test of typicality. Needs twice the calibration data.
        batch_size: rows per compiled call, at most.

    Raises:
        ValueError: for an unknown score or a number that is not positive.

    Reference:
        Bates et al., "Testing for outliers with conformal p-values", 2023; An & Cho,
        "Variational autoencoder based anomaly detection using reconstruction probability", 2015;
        Nalisnick et al., "Detecting out-of-distribution inputs to deep generative models using
        typicality", 2019.

    Example:
        >>> detector = AnomalyDetector(vae).calibrate(x_held_out, rate=0.01)
        >>> print(detector.report())
        >>> odd = detector.predict(x)
        >>> found = detector.predict(x, control="fdr", level=0.1)
    """

    def __init__(
        self,
        vae,
        score: str = "score",
        n_samples: int = 100,
        seed: int = 0,
        two_sided: bool = False,
        batch_size: int = 128,
    ):
        self.vae = vae
        self.score_name = check_choice("score", score, tuple(SCORES))
        self.draws = Draws(check_count("n_samples", n_samples), int(seed))
        self.two_sided = bool(two_sided)
        self.batch_size = check_count("batch_size", batch_size)
        self.rate: float | Any = None  # until it is calibrated
        self.calibration_scores: np.ndarray | None = None

    def score(self, x, y=None, condition=None) -> np.ndarray:
        """Returns how strange x is, `(n,)`: higher is stranger, the reverse of `VAE.score`.

        Args:
            x: data, `(n, *features)`, in any form that the VAE takes.
            y: the target, where it is not x.
            condition: what is given beside x, one for all rows or one for each.

        Raises:
            ValueError: if the model is not built, or x not of its shape.
        """
        function = SCORES[self.score_name]
        return function(self.vae, x, y, condition, self.draws, self.batch_size)

    def calibrate(self, x, rate: float = 0.01, y=None, condition=None) -> "AnomalyDetector":
        """Takes the scores of usual data, which the VAE was not trained on, for comparison.

        Scores of training data are lower than those of new data, and would give more false
        alarms than asked for.

        Args:
            x: usual data, `(n, *features)`, with n at least 1/rate - 1.
            rate: of false alarms, which `predict` and `threshold` go by.
            y: the target, where it is not x.
            condition: what is given beside x.

        Returns:
            The detector.

        Raises:
            ValueError: if there are too few samples for the rate, before anything is computed,
                or if scores are not finite.
        """
        rate = conformal.check_rate("rate", rate)
        rows = as_data("x", opened("x", x)[0])
        if has_rows(rows):
            conformal.check_n(len(rows), rate, self.two_sided)
        scores = np.sort(self.score(x, y, condition))
        conformal.check_n(len(scores), rate, self.two_sided)  # of a stream
        if not np.isfinite(scores).all():
            raise ValueError(
                f"{int((~np.isfinite(scores)).sum())} of the {len(scores)} calibration scores are "
                "not finite: the model or the data is not sound."
            )
        self.rate, self.calibration_scores = rate, scores
        return self

    def p_value(self, x, y=None, condition=None, two_sided: bool | None = None) -> np.ndarray:
        """Returns p-values of x being usual, `(n,)`: small for anomalies.

        p = (1 + the number of calibration scores at least as strange) / (n + 1).

        Args:
            x: data, `(n, *features)`.
            y: the target, where it is not x.
            condition: what is given beside x.
            two_sided: in place of the detector's own.

        Raises:
            ValueError: if the detector is not calibrated.
        """
        self._calibrated()  # before long work
        return self.p_value_of_scores(self.score(x, y, condition), two_sided)

    def p_value_of_scores(self, scores, two_sided: bool | None = None) -> np.ndarray:
        """Returns `p_value` of x whose `score` is known, `(n,)`.

        Args:
            scores: of this detector, `(n,)`.
            two_sided: in place of the detector's own.

        Raises:
            ValueError: if the detector is not calibrated.
        """
        return conformal.p_values(self._calibrated(), scores, self._sides(two_sided))

    def predict(
        self,
        x,
        y=None,
        condition=None,
        control: str = "rate",
        rate: float | None = None,
        level: float = 0.1,
        two_sided: bool | None = None,
    ) -> np.ndarray:
        """Returns which x are anomalies, as booleans, `(n,)`.

        Args:
            x: data, `(n, *features)`.
            y: the target, where it is not x.
            condition: what is given beside x.
            control: what is bounded: `"rate"`, the share of usual x that is called an anomaly; or
                `"fdr"`, the expected share of usual ones among those found, by Benjamini and
                Hochberg's procedure, for which all x are looked at together.
            rate: of false alarms, in place of the one of `calibrate`.
            level: of false discoveries, for `"fdr"`.
            two_sided: in place of the detector's own.

        Raises:
            ValueError: if the detector is not calibrated, or on too few samples for the rate.
        """
        check_choice("control", control, _CONTROLS)
        n, sides = len(self._calibrated()), self._sides(two_sided)
        if control == "fdr":
            level = conformal.check_rate("level", level)
            p = self.p_value(x, y, condition, sides)
            return conformal.benjamini_hochberg(p, level)
        rate = self.rate if rate is None else conformal.check_rate("rate", rate)
        conformal.check_n(n, rate, sides)
        return conformal.at_most(self.p_value(x, y, condition, sides), rate)

    @property
    def threshold(self) -> float | conformal.Threshold:
        """The score above which x is an anomaly at the rate; two-sided, a pair `(low, high)`.

        Raises:
            ValueError: if the detector is not calibrated.
        """
        found = conformal.threshold(self._calibrated(), self.rate, self.two_sided)
        return found if self.two_sided else found.high

    def report(self) -> CalibrationReport:
        """Returns what rate of false alarms to expect; `print` shows it as text.

        Raises:
            ValueError: if the detector is not calibrated.
        """
        calibration = self._calibrated()
        n, sides = len(calibration), self.two_sided
        realized = conformal.realized_rate(n, self.rate, sides)
        return CalibrationReport(
            score=self.score_name,
            n=n,
            rate=self.rate,
            two_sided=sides,
            threshold=conformal.threshold(calibration, self.rate, sides),
            expected_rate=realized.expected,
            rate_interval=(realized.low, realized.high),
            smallest_p_value=(2 if sides else 1) / (n + 1),
        )

    def save(self, path: str | os.PathLike) -> None:
        """Writes the calibration to a `.npz` file; the model is saved by `vae.save`.

        Raises:
            ValueError: if the detector is not calibrated.
            OSError: if the file cannot be written.
        """
        state = {
            "calibration_scores": self._calibrated(),
            "rate": self.rate,
            "score": self.score_name,
            "n_samples": self.draws.n,
            "seed": self.draws.seed,
            "two_sided": self.two_sided,
            "batch_size": self.batch_size,
            "model": _fingerprint(self.vae),
        }
        with written_beside(path) as beside, open(beside, "wb") as file:
            np.savez(file, **state)

    @classmethod
    def load(cls, path: str | os.PathLike, vae) -> "AnomalyDetector":
        """Returns the detector whose calibration is in a file that `save` wrote.

        Args:
            path: the file.
            vae: the model that was calibrated.

        Raises:
            ValueError: if the file is no calibration, or one of other weights.
            OSError: if it cannot be read.
        """
        with np.load(path, allow_pickle=False) as file:
            state = {name: file[name] for name in file.files}
        if "calibration_scores" not in state:
            raise ValueError(f"{path} holds no calibration: AnomalyDetector.save writes one.")
        if str(state["model"]) != _fingerprint(vae):
            raise ValueError(
                f"{path} is the calibration of a model of other weights. Give that model, or "
                "calibrate this one."
            )
        detector = cls(
            vae,
            str(state["score"]),
            int(state["n_samples"]),
            int(state["seed"]),
            bool(state["two_sided"]),
            int(state["batch_size"]),
        )
        detector.rate = float(state["rate"])
        detector.calibration_scores = state["calibration_scores"]
        return detector

    def _calibrated(self):
        if self.calibration_scores is None:
            raise ValueError(
                "The detector is not calibrated: call detector.calibrate(x_usual, rate=0.01) with "
                "usual data that the model was not trained on."
            )
        return self.calibration_scores

    def _sides(self, two_sided):
        return self.two_sided if two_sided is None else bool(two_sided)


def _fingerprint(vae):
    """Returns a hash of the trained weights."""
    vae.check_built("save or load a calibration")
    found = hashlib.sha256()
    for weight in vae.trainable_weights:
        found.update(ops.convert_to_numpy(weight).tobytes())
    return found.hexdigest()
