"""Clusters to begin a mixture with."""

import math

import numpy as np


def clusters(z: np.ndarray, n: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Parts points into clusters around some of them, which k-means++ chooses.

    Args:
        z: points, `(n_points, *shape)`.
        n: how many clusters.
        rng: what to choose by.

    Returns:
        The points of each cluster, `(n_own, *shape)`, at least one.

    Reference:
        Arthur & Vassilvitskii, "k-means++: the advantages of careful seeding", 2007,
        section 2.2, each time with the best of 2 + log n candidates.
    """
    flat = z.reshape(len(z), -1).astype("float64")
    first = rng.integers(len(flat))
    chosen, owner = [first], np.zeros(len(flat), int)
    distance = np.square(flat - flat[first]).sum(axis=1)
    for i in range(1, n):
        total = distance.sum()
        # Where all points are taken, one twice.
        p = distance / total if total > 0.0 else None
        candidates = rng.choice(len(flat), 2 + int(math.log(n)), p=p)
        to_each = np.square(flat - flat[candidates][:, None]).sum(axis=-1)
        best = np.minimum(to_each, distance).sum(axis=1).argmin()
        owner[to_each[best] < distance] = i
        distance = np.minimum(distance, to_each[best])
        chosen.append(candidates[best])
    own = [z[owner == i] for i in range(n)]
    return [points if len(points) else z[[i]] for points, i in zip(own, chosen, strict=True)]
