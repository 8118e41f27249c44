"""How far the latents are from independent, as if they were jointly normal."""

import numpy as np

from keras_vae.evaluation.factors import check_codes, varies


def gaussian_total_correlation(z) -> float:
    """Returns KL(N(m, C) ‖ N(m, diag C)) = ½ (Σ log Cᵢᵢ − log det C) of the codes, in nats.

    Args:
        z: codes, `(n, d)`, n at least 2. Latents that do not vary are left out.

    Returns:
        0 for uncorrelated latents, infinity where one is a linear function of others.

    Raises:
        ValueError: for other shapes or NaN.
    """
    z = check_codes(z)
    covariance = _covariance(z[:, varies(z)])
    if not covariance.size:
        return 0.0
    std = np.sqrt(np.diag(covariance))
    sign, log_det = np.linalg.slogdet(covariance / np.outer(std, std))
    return float(-0.5 * log_det) if sign > 0 else float("inf")


def gaussian_wasserstein_correlation(z, normalized: bool = False) -> float:
    """Returns the squared Wasserstein-2 distance of N(m, C) and N(m, diag C) of the codes.

    2 tr C − 2 tr (D^½ C D^½)^½ with D = diag C, in the codes' squared unit.

    Args:
        z: codes, `(n, d)`, n at least 2.
        normalized: whether to divide by tr C, so that the codes' scale does not count.

    Raises:
        ValueError: for other shapes or NaN, or if no latent varies and `normalized`.

    Reference:
        Locatello et al., "Challenging common assumptions in the unsupervised learning of
        disentangled representations", 2019, appendix.
    """
    z = check_codes(z)
    covariance = _covariance(z)
    trace, std = np.trace(covariance), np.sqrt(np.diag(covariance))
    eigenvalues = np.linalg.eigvalsh(covariance * np.outer(std, std))
    distance = 2 * trace - 2 * np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    if not normalized:
        return float(distance)
    if not varies(z).any():
        raise ValueError("No latent varies: there is no variance to divide by.")
    return float(distance / trace)


def _covariance(z):
    if len(z) < 2:
        raise ValueError("A covariance needs two rows or more; z has 1.")
    return np.atleast_2d(np.cov(z, rowvar=False)) if z.shape[1] else np.empty((0, 0))
