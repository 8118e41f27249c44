"""CalibrationReport: what a calibrated AnomalyDetector promises."""

from typing import NamedTuple

from keras_vae.evaluation import conformal


class CalibrationReport(NamedTuple):
    """What a calibrated detector promises; as text, a paragraph.

    Attributes:
        score: the name of the score.
        n: how many calibration samples there are.
        rate: the rate of false alarms asked for.
        two_sided: whether samples that are too usual are anomalies too.
        threshold: the scores beyond which x is an anomaly.
        expected_rate: the mean rate of false alarms over calibration sets of n samples.
        rate_interval: what the rate lies in for 90 % of these sets.
        smallest_p_value: the smallest p-value that there can be.
    """

    score: str
    n: int
    rate: float
    two_sided: bool
    threshold: conformal.Threshold
    expected_rate: float
    rate_interval: tuple[float, float]
    smallest_p_value: float

    def __str__(self) -> str:
        low, high = self.rate_interval
        limits = f"above {self.threshold.high:.4g}"
        if self.two_sided:
            limits = f"below {self.threshold.low:.4g} or {limits}"
        return (
            f"Anomalies at a rate of {self.rate:.2%} false alarms: {self.score} {limits}, from "
            f"{self.n:,} usual samples.\n"
            f"Expected rate of false alarms: {self.expected_rate:.2%}, the mean over calibration "
            f"sets of that size; of 90 % of the sets it lies between {low:.2%} and {high:.2%}. "
            f"More samples narrow that. The smallest p-value is {self.smallest_p_value:.2g}.\n"
            "This holds for usual data that is drawn as the calibration samples are, and which "
            "the model was not trained on."
        )
