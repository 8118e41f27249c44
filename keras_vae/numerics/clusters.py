"""Clusters to begin a mixture with."""

import numpy as np


def clustered(z: np.ndarray, n: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Returns where the components of a mixture may begin, by k-means++.

    Args:
        z: points, `(n_points, *shape)`.
        n: how many clusters.
        rng: what to choose by.

    Returns:
        Of each cluster the mean and the variances, each `(n, *shape)`, float32, and its
        share of the points, `(n,)`. Variances have a floor of 1e-3 of those of all points.

    Reference:
        Arthur & Vassilvitskii, "k-means++: the advantages of careful seeding", 2007,
        section 2.2.
    """
    flat = z.reshape(len(z), -1).astype("float64")
    centres = flat[[rng.integers(len(flat))]]
    distance = np.square(flat - centres[0]).sum(axis=1)
    owner = np.zeros(len(flat), int)
    for i in range(1, n):
        total = distance.sum()
        # Where all points are taken, one twice.
        chosen = rng.choice(len(flat), p=distance / total if total > 0.0 else None)
        centres = np.concatenate([centres, flat[[chosen]]])
        to_new = np.square(flat - flat[chosen]).sum(axis=1)
        owner[to_new < distance] = i
        distance = np.minimum(distance, to_new)
    floor = 1e-3 * flat.var(axis=0) + 1e-6
    variances = np.empty_like(centres)
    for i in range(n):
        own = flat[owner == i] if (owner == i).any() else centres[[i]]
        centres[i], variances[i] = own.mean(axis=0), own.var(axis=0) + floor
    shares = np.bincount(owner, minlength=n) + 1.0
    shape = (n, *z.shape[1:])
    means, variances = (a.reshape(shape).astype("float32") for a in (centres, variances))
    return means, variances, (shares / shares.sum()).astype("float32")
