"""The von Mises-Fisher distribution: a bell on the unit sphere, q(z|x) ∝ exp(κ μᵀz)."""

import functools
import math

import numpy as np
from keras import ops

from keras_vae.distributions.kl import register_kl
from keras_vae.distributions.reparameterized import Reparameterized
from keras_vae.distributions.sphere import UniformOnSphere, log_area
from keras_vae.typing import Tensor

N_CELLS = 160
# log Φ(-x) + x²/2 - log t as a polynomial in t = 1 / (1 + 0.4x), right to 2e-7 for x in [0, 13].
_LOG_TAIL = (
    *(-1.8351072244968019, 0.9968772783666688, 0.37377043352714695, -0.18822532823134),
    *(0.558664360069372, -1.7759816660710697, 1.9705384358987068, -0.9864765502232598),
    0.1927931764130836,
)


class VonMisesFisher(Reparameterized):
    """A distribution of unit vectors around a direction.

    All that is not elementary depends on w = μᵀz alone, whose density
    ∝ exp(κw)(1 - w²)^((d-3)/2) is integrated numerically, in place of Bessel
    functions. The variable of integration is s = log((1 - w)/(1 + w)) less its
    value at the peak, on a grid that widens as the tails do. Masses are summed from
    both ends, so that w by inversion of the distribution function is as right in
    the tails as near the peak, and a draw has the exact gradient with respect
    to κ, without rejections.

    Args:
        z_mean: μ, unit vectors of shape `(batch, latent_dim)`.
        z_concentration: κ > 0, of shape `(batch, 1)`.

    Reference:
        Davidson et al., "Hyperspherical variational auto-encoders", 2018,
        section 3; Ulrich, "Computer generation of distributions on the
        m-sphere", 1984 (the peak's place).
    """

    support = "sphere"
    param_names = ("z_mean", "z_concentration")
    closed_forms = frozenset({"mean", "mode", "std"})

    def __init__(self, z_mean, z_concentration):
        self.z_mean = ops.convert_to_tensor(z_mean, "float32")
        self.z_concentration = ops.convert_to_tensor(z_concentration, "float32")
        self.event_shape = tuple(self.z_mean.shape[1:])
        self._d = int(self.z_mean.shape[-1])  # torch traces it as a tensor
        kappa, half = self.z_concentration, 0.5 * (self._d - 1.0)
        # The density of s is highest at w = peak, where (1 - w)/(1 + w) = b.
        root = ops.sqrt(ops.square(kappa) + half**2)
        self._peak = kappa / (half + root)
        self._b = half / (kappa + root)

    def _density(self, s, expm1_s):
        """Returns the density of s relative to its peak, and how far w lies below the peak's w."""
        q = self._b / (1.0 + self._b) * expm1_s
        below_peak = 2.0 * q / ((1.0 + q) * (1.0 + self._b))
        power = self._d - 1.0
        log_density = -self.z_concentration * below_peak + power * (0.5 * s - ops.log1p(q))
        return ops.exp(log_density), below_peak

    @functools.cached_property
    def _cells(self):
        """Masses of cells, `(batch, N_CELLS)`, their sum, and how far below the peak w lies.

        The last is two: mean and variance.
        """
        nodes, expm1_nodes, weights = map(ops.array, _grid(self._d)[1])
        density, below_peak = self._density(nodes, expm1_nodes)
        mass = weights * density
        total = ops.sum(mass, axis=-1)
        mean = ops.sum(mass * below_peak, axis=-1) / total
        variance = ops.sum(mass * ops.square(below_peak - mean[:, None]), axis=-1) / total
        return ops.sum(ops.reshape(mass, (-1, N_CELLS, 3)), axis=-1), total, mean, variance

    def mean_length(self) -> Tensor:
        """Returns E[μᵀz], the length of the mean vector, of shape `(batch,)`."""
        return self._peak[:, 0] - self._cells[2]

    def mean(self) -> Tensor:
        """Returns E[z] = E[μᵀz]·μ, inside the sphere, of shape `(batch, latent_dim)`."""
        return ops.expand_dims(self.mean_length(), -1) * self.z_mean

    def mode(self) -> Tensor:
        """Returns μ."""
        return self.z_mean

    def std(self) -> Tensor:
        """Returns the standard deviation of each dimension of z around `mean`.

        z = wμ + √(1 - w²)·v with w = μᵀz and v uniform across μ, where
        E[1 - w²] = (d - 1)·E[w] / κ.
        """
        along = self._cells[3][:, None]
        across = self.mean_length()[:, None] / self.z_concentration
        square = ops.square(self.z_mean)
        return ops.sqrt(along * square + across * ops.maximum(1.0 - square, 0.0))

    def code_and_log_prob(self) -> tuple[Tensor, Tensor]:
        # The base's mean, 0, has no direction across μ and would give a z inside the sphere.
        return self.z_mean, self._log_prob_below_peak(-self._one_minus_peak())

    def _one_minus_peak(self):
        return (2.0 * self._b / (1.0 + self._b))[:, 0]

    def _log_prob_at_peak(self, offset: float):
        """Returns log q where w is at its peak, plus `offset`, in one constant with the areas."""
        offset = offset + math.log(2.0) - log_area(self._d - 1)
        spread = ops.log1p(self.z_concentration * self._peak / (self._d - 1.0))[:, 0]
        return 0.5 * (self._d - 1.0) * spread - ops.log(self._cells[1]) + offset

    def _log_prob_below_peak(self, distance):
        """Returns log q where w lies `distance` below its peak."""
        return self._log_prob_at_peak(0.0) - self.z_concentration[:, 0] * distance

    def _log_prob(self, z):
        # 1 - μᵀz of unit vectors, without the rounding of a product near 1.
        one_minus_w = 0.5 * ops.sum(ops.square(z - self.z_mean), axis=-1)
        return self._log_prob_below_peak(one_minus_w - self._one_minus_peak())

    def from_base(self, z_0) -> tuple[Tensor, Tensor]:
        """Maps d standard normals to the sphere: one gives w, the others the direction."""
        s = self._inverse(_normal_log_odds(z_0[..., :1]))
        # The tangent of half the angle between μ and z.
        half_angle = ops.exp(0.5 * (s + ops.log(self._b)))
        w_plus_one = 2.0 / (1.0 + ops.square(half_angle))
        along_mean = w_plus_one - 1.0
        tangent = unit(z_0[..., 1:]) * (half_angle * w_plus_one)
        # A reflection that takes the first axis to μ.
        first_axis = ops.eye(self._d)[0]
        normal = unit(self.z_mean - first_axis)
        at_first_axis = ops.concatenate([along_mean, tangent], axis=-1)
        along = ops.sum(at_first_axis * normal, axis=-1, keepdims=True)
        z = at_first_axis - 2.0 * along * normal
        _, below_peak = self._density(s, ops.expm1(s))
        return z, self._log_prob_below_peak(below_peak[..., 0])

    def _inverse(self, log_odds):
        """Returns s of the log-odds of its distribution function, each `(..., batch, 1)`."""
        edges = _grid(self._d)[0]
        mass, total, *_ = self._cells
        # From each end the smallest come first, so that no sum cancels or saturates.
        below = ops.cumsum(mass, axis=-1)[:, :-1] / total[:, None]
        above = ops.flip(ops.cumsum(ops.flip(mass, axis=-1), axis=-1), axis=-1)[:, 1:]
        above = above / total[:, None]
        knots = ops.log(ops.maximum(below, 1e-37)) - ops.log(ops.maximum(above, 1e-37))
        density = self._density(*map(ops.array, (edges, np.expm1(edges))))[0] / total[:, None]
        # ds / d log-odds; no draw comes where the floor acts, whose square float32 can hold.
        slope = below * above / ops.maximum(density, 1e-18)
        # Cubic in each cell, with the slopes at both ends; cells on one side add all or nothing.
        width, rise = knots[:, 1:] - knots[:, :-1], ops.array(np.diff(edges))
        start, end = width * slope[:, :-1], width * slope[:, 1:]
        part = ops.clip((log_odds - knots[:, :-1]) / ops.maximum(width, 1e-6), 0.0, 1.0)
        cubic = start + part * (3.0 * rise - 2.0 * start - end + part * (start + end - 2.0 * rise))
        return float(edges[0]) + ops.sum(part * cubic, axis=-1, keepdims=True)

    def kl_to_uniform(self) -> Tensor:
        """Returns the KL to the uniform distribution on the sphere, `(batch,)`."""
        log_prob_at_peak = self._log_prob_at_peak(log_area(self._d))
        return log_prob_at_peak - self.z_concentration[:, 0] * self._cells[2]


@register_kl(VonMisesFisher, UniformOnSphere)
def _kl_to_uniform(q, p):
    return q.kl_to_uniform()


@functools.cache
def _grid(d: int):
    """Returns the inner edges of the cells of s, and three nodes, with weights, in each cell.

    At an edge t of [-8, 8] the density at κ = 0 has fallen as that of a normal at t.
    """
    t = np.linspace(-8.0, 8.0, N_CELLS + 1)
    fall = np.square(t) / (2.0 * (d - 1.0))
    edges = 2.0 * np.sign(t) * (fall + np.log1p(np.sqrt(-np.expm1(-2.0 * fall))))
    nodes, weights = np.polynomial.legendre.leggauss(3)
    half_width = 0.5 * np.diff(edges)[:, None]
    nodes = (edges[:-1, None] + half_width * (1.0 + nodes)).ravel()
    weights = (half_width * weights).ravel()
    as_float32 = (values.astype("float32") for values in (nodes, np.expm1(nodes), weights))
    return edges[1:-1].astype("float32"), tuple(as_float32)


def _normal_log_odds(x):
    """Returns log Φ(x) - log Φ(-x) of the standard normal, right in both tails."""
    # Not by erfc, which not all that exports write can compute.
    size = ops.minimum(ops.abs(x), 13.0)
    t = 1.0 / (1.0 + 0.4 * size)
    polynomial = functools.reduce(lambda value, c: value * t + c, reversed(_LOG_TAIL))
    log_tail = polynomial + ops.log(t) - 0.5 * ops.square(size)
    return ops.sign(x) * (ops.log1p(-ops.exp(log_tail)) - log_tail)


def unit(x) -> Tensor:
    """Returns vectors divided by their norms."""
    return x / ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-12)
