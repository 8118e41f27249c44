"""What estimates by importance sampling share: how many draws fit, and sums of their weights."""

import math

import numpy as np

# Params of one compiled call, in numbers: about 16 MB of float32 per layer of the decoder.
MAX_PARAMS = 2**22


def n_that_fit(n: int, features: tuple[int, ...], vae) -> int:
    """Returns how many draws of n rows, or rows of n draws, one compiled call may hold.

    Args:
        n: how many rows, or draws of a row, it holds of each.
        features: the shape of what a draw is decoded to.
        vae: the built VAE, whose prior may be a mixture.
    """
    of_prior = vae.prior.n_components * vae.latent_dim
    return max(1, MAX_PARAMS // (n * max(1024, math.prod(features), of_prior)))


class WeightSums:
    """The sums of the importance weights of each row and of their squares.

    Args:
        size: how many rows.

    Attributes:
        log_sum: log Σw, `(size,)`, float64.
    """

    def __init__(self, size: int):
        self.log_sum = self.log_squares = np.full(size, -np.inf)

    def add(self, log_sum: np.ndarray, log_squares: np.ndarray) -> np.ndarray:
        """Adds log Σw and log Σw² of more draws, `(size,)`; returns their share of all so far."""
        log_sum = log_sum.astype("float64")
        self.log_sum = np.logaddexp(self.log_sum, log_sum)
        self.log_squares = np.logaddexp(self.log_squares, log_squares.astype("float64"))
        return np.exp(log_sum - self.log_sum)

    def effective_sample_size(self) -> np.ndarray:
        """Returns (Σw)² / Σw² of each row, `(size,)`."""
        return np.exp(2.0 * self.log_sum - self.log_squares)


def log_sums(log_w: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns log Σw and log Σw² over an axis."""
    return np.logaddexp.reduce(log_w, axis=axis), np.logaddexp.reduce(2.0 * log_w, axis=axis)
