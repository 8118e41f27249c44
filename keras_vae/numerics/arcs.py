"""Arcs between codes, on the sphere and in space."""

import numpy as np


def arcs(start: np.ndarray, end: np.ndarray, n_steps: int, on_sphere: bool = False) -> np.ndarray:
    """Returns codes along the arcs from codes to others, both ends included.

    They are White's, sin((1 - t)ω) / sin ω·a + sin(tω) / sin ω·b, up to a right
    angle ω. Beyond, where these would grow longer than both ends and without
    bound towards opposite codes, the direction and the norm turn evenly. Codes
    of one norm have the same arc either way. Between opposite codes there is no
    one arc: on the sphere it goes over the axis that is most across, and in
    space the way is a straight line, as it is where a code has norm 0.

    Args:
        start: codes, `(n, latent_dim)`.
        end: codes, as many.
        n_steps: codes per arc.
        on_sphere: whether the codes are unit vectors, and all between must be.

    Returns:
        Shape `(n, n_steps, latent_dim)`, float32.

    Raises:
        ValueError: if a code on the sphere has norm 0.

    Reference:
        White, "Sampling generative networks", 2016, section 2.1.
    """
    start, end = (np.asarray(z, "float64")[:, None] for z in (start, end))
    (from_norm, u), (to_norm, w) = _split(start), _split(end)
    t = np.linspace(0.0, 1.0, n_steps)[:, None]
    cosine = (u * w).sum(-1, keepdims=True)
    across, v = _split(w - cosine * u)
    # Codes are float32: what they differ by below that is rounding.
    opposite = (across < 1e-6) & (cosine < 0.0)
    no_direction = (from_norm == 0.0) | (to_norm == 0.0)
    if on_sphere:
        if no_direction.any():
            raise ValueError(
                f"The code of row {np.argmax(no_direction)} is 0, which has no direction on the "
                "sphere: the encoder gives nothing for it."
            )
        v = np.where(opposite, _perpendicular(u), v)
        from_norm = to_norm = 1.0
    angle = np.where(opposite, np.pi, np.arctan2(across, cosine))
    turned = np.cos(t * angle) * u + np.sin(t * angle) * v
    codes = ((1.0 - t) * from_norm + t * to_norm) * turned
    if not on_sphere:
        # sin(sω) / sin ω, which is s in the limit of one direction.
        small = np.minimum(angle, np.pi / 2)
        a, b = (s * np.sinc(s * small / np.pi) / np.sinc(small / np.pi) for s in (1.0 - t, t))
        codes = np.where(cosine >= 0.0, a * start + b * end, codes)
        codes = np.where(opposite | no_direction, (1.0 - t) * start + t * end, codes)
    return codes.astype("float32")


def _split(z):
    """Returns the norms of vectors and their directions, 0 where there is none."""
    norm = np.linalg.norm(z, axis=-1, keepdims=True)
    return norm, z / np.where(norm == 0.0, 1.0, norm)


def _perpendicular(u):
    """Returns a unit vector across each u."""
    axis = np.eye(u.shape[-1])[np.argmin(np.abs(u), axis=-1)]
    return _split(axis - (axis * u).sum(-1, keepdims=True) * u)[1]
