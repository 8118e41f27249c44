"""Likelihood: the protocol that every likelihood of the data follows."""

import math

import numpy as np
from keras import ops


class Likelihood:
    """log p(x|z), from the raw params that the decoder makes of z.

    A subclass defines `log_prob`, `mean` and `sample`, and `get_config` if its
    constructor takes arguments. It may narrow what targets and params it
    accepts with `check_target` and `check_params`.

    `params_per_feature` says how many params one feature of the target needs:
    the last axis of the params is that many times the last axis of the target.
    """

    params_per_feature = 1

    def log_prob(self, target, params):
        """Returns log p(target | params) in nats, summed over a sample's features.

        Args:
            target: shape `(batch, *features)`.
            params: shape `(batch, *features)` or `(n_samples, batch, *features)`.

        Returns:
            Shape `(batch,)` or `(n_samples, batch)`, float32.
        """
        raise NotImplementedError

    def mean(self, params):
        """Returns the expected value of the target, of the shape of `params`."""
        raise NotImplementedError

    def sample(self, params, seed=None):
        """Returns one draw of the target per element of `params`.

        Args:
            params: raw params from the decoder.
            seed: an integer, a `keras.random.SeedGenerator` or `None`.
        """
        raise NotImplementedError

    def check_target(self, target: np.ndarray) -> None:
        """Raises a ValueError if `target` lies outside the support."""

    def check_params(self, params: np.ndarray) -> None:
        """Raises a ValueError if `params` of random codes cannot be what `log_prob` expects."""

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def check_positive(name: str, value: float) -> float:
    """Returns `value` as a float, or raises a ValueError if it is no positive number."""
    if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive number; received {value!r}.")
    return float(value)


def sum_features(log_prob, target):
    """Sums over the axes of one sample of `target`, leaving batch and samples axes."""
    return ops.sum(log_prob, axis=tuple(range(1 - len(target.shape), 0)))


def check_logits_or_probabilities(name: str, params: np.ndarray, from_logits: bool) -> None:
    """Raises a ValueError if `params` look like probabilities under logits, or the reverse."""
    in_unit_interval = params.min() >= 0.0 and params.max() <= 1.0
    if from_logits and in_unit_interval and np.ptp(params) > 0.0:
        raise ValueError(
            f"{name} expects logits, but the decoder gives values in [0, 1] whatever its input: "
            "it seems to end in a sigmoid or softmax. Remove that activation, or use "
            f"keras_vae.likelihoods.{name}(from_logits=False)."
        )
    if not from_logits and not in_unit_interval:
        raise ValueError(
            f"{name}(from_logits=False) expects probabilities, but the decoder gives values from "
            f"{params.min():.3g} to {params.max():.3g}. End the decoder in a sigmoid or softmax, "
            "or use from_logits=True."
        )
