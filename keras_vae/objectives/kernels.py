"""Kernels, by name, and the maximum mean discrepancy that they measure."""

from keras import ops

from keras_vae.typing import Tensor


def rbf(square_distance, scale) -> Tensor:
    """exp(-r² / C), of the shape of r²."""
    return ops.exp(-square_distance / scale)


def imq(square_distance, scale) -> Tensor:
    """Inverse multiquadratics: the sum of sC / (sC + r²) over s from 0.1 to 10."""
    return sum(
        s * scale / (s * scale + square_distance) for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
    )


KERNELS = {"imq": imq, "rbf": rbf}


def maximum_mean_discrepancy(kernel: str, z, z_weight, prior_z, prior_weight=None) -> Tensor:
    """Returns the unbiased estimate of MMD² between codes and draws of the prior.

    The kernel's scale C is the mean squared distance of two draws of the prior,
    2·latent_dim for the standard normal. Codes are compared across inputs only, as
    two draws for one input are not independent draws of the codes as a whole.

    Args:
        kernel: a name in `KERNELS`.
        z: codes, of shape `(batch, latent_dim)` or `(n_draws, batch, latent_dim)`.
        z_weight: weights of the inputs, `(batch,)`, summing to 1.
        prior_z: draws of the prior, `(m, latent_dim)`.
        prior_weight: their weights, `(m,)`, summing to 1; equal ones by default.

    Returns:
        A scalar; it may be slightly negative.

    Reference:
        Gretton et al., "A kernel two-sample test", 2012, equation 3; Tolstikhin
        et al., "Wasserstein auto-encoders", 2018, section 3 and appendix.
    """
    k = KERNELS[kernel]
    z = ops.where(z_weight[:, None] > 0.0, z, 0.0)
    n_draws = z.shape[0] if len(z.shape) == 3 else 1
    z, z_input = ops.reshape(z, (-1, z.shape[-1])), _index(z_weight)
    z_input, z_weight = (ops.tile(t, n_draws) for t in (z_input, z_weight / n_draws))
    if prior_weight is None:
        prior_weight = ops.ones_like(prior_z[:, 0])
        prior_weight = prior_weight / ops.sum(prior_weight)
    among_prior = _square_distances(prior_z, prior_z)
    pairs = _pair_weights(prior_weight, _index(prior_weight))
    scale = ops.stop_gradient(ops.maximum(ops.sum(pairs * among_prior), 1e-6))
    among_z = ops.sum(_pair_weights(z_weight, z_input) * k(_square_distances(z, z), scale))
    cross = z_weight[:, None] * prior_weight * k(_square_distances(z, prior_z), scale)
    return among_z + ops.sum(pairs * k(among_prior, scale)) - 2.0 * ops.sum(cross)


def _square_distances(a, b):
    squares = ops.sum(ops.square(a), -1)[:, None] + ops.sum(ops.square(b), -1)
    return ops.maximum(squares - 2.0 * ops.matmul(a, ops.transpose(b)), 0.0)


def _index(weight):
    return ops.cumsum(ops.ones_like(weight, dtype="int32"))


def _pair_weights(weight, origin):
    """Weights of pairs of different origin, summing to 1 (to 0 if there is but one origin)."""
    pairs = weight[:, None] * weight
    pairs = ops.where(origin[:, None] == origin, 0.0, pairs)
    return pairs / ops.maximum(ops.sum(pairs), 1e-12)
