"""IRS: how little a latent moves while one factor stays and all others change."""

import numpy as np

from keras_vae.evaluation.factors import check_pair, varies


def irs(z, factors, percentile: float = 99.0) -> float:
    """Interventional robustness score, 0 to 1.

    For each factor, the latent's largest distance from its mean among the rows that share a value,
    mean over the values, over its largest distance from its mean among all rows. A latent's score
    is 1 minus that of the factor that holds it best; latents count by that largest
    distance, and those that do not vary not at all.

    Args:
        z: codes, `(n, d)`.
        factors: `(n, k)`.
        percentile: what stands for the largest distance within a value; 100 is the maximum itself.

    Raises:
        ValueError: for other shapes, NaN, a factor of one value, a percentile out of [0, 100],
            or no latent that varies.

    Reference:
        Suter et al., "Robustly disentangled causal mechanisms", 2019, section 4.
    """
    z, factors = check_pair(z, factors)
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile must be from 0 to 100; received {percentile}.")
    z = z[:, varies(z)]
    if not z.shape[1]:
        raise ValueError("No latent varies, so that there is nothing to hold still.")
    largest = np.abs(z - z.mean(axis=0)).max(axis=0)
    within = np.array([_within(z, column, percentile) for column in factors.T])
    scores = (1.0 - within / largest).max(axis=0)
    return float((largest * scores).sum() / largest.sum())


def _within(z, column, percentile):
    """Returns how far each latent moves where the factor stays, mean over its values, (d,)."""
    groups = (z[column == value] for value in np.unique(column))
    distances = (np.abs(group - group.mean(axis=0)) for group in groups)
    return np.mean([np.percentile(group, percentile, axis=0) for group in distances], axis=0)
