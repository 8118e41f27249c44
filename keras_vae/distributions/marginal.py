"""The marginal of a model with a latent variable, whose log-density is bounded from below."""

from collections.abc import Callable

from keras import ops

from keras_vae.distributions.base import Distribution
from keras_vae.distributions.kl import kl_divergence
from keras_vae.distributions.normal import DiagonalNormal, StandardNormal


class Marginal(Distribution):
    """p(z) = ∫ p(z|u) p(u) du, p(u) = N(0, I): what a VAE of z with the code u gives.

    `log_prob` is its ELBO, E_q(u|z)[log p(z|u)] - KL(q(u|z) ‖ p(u)), with the expectation
    over the given noise: lower than log p(z) by KL(q(u|z) ‖ p(u|z)). Draws are exact.

    Args:
        event_shape: the shape of z.
        encode: from z, `(n, *event_shape)`, to q(u|z).
        decode: from u, `(n, latent_dim)`, to p(z|u).
        noise: the draws of N(0, I) that make those of u, `(n_draws, n or 1, latent_dim)`.
    """

    log_prob_is_bound = True

    def __init__(
        self,
        event_shape: tuple[int, ...],
        encode: Callable[..., DiagonalNormal],
        decode: Callable[..., DiagonalNormal],
        noise,
    ):
        self.event_shape = tuple(event_shape)
        self.encode, self.decode, self.noise = encode, decode, noise
        self.latent = StandardNormal(noise.shape[-1:])

    def _log_prob(self, z):
        flat = ops.reshape(z, (-1, *self.event_shape))
        q = self.encode(flat)
        u = q.z_mean + q.std() * self.noise
        n_draws = self.noise.shape[0]
        again = ops.tile(flat, (n_draws, *[1] * len(self.event_shape)))
        log_prob = self.decode(ops.reshape(u, (-1, u.shape[-1]))).log_prob(again)
        log_prob = ops.mean(ops.reshape(log_prob, (n_draws, -1)), axis=0)
        bound = log_prob - kl_divergence(q, self.latent)
        return ops.reshape(bound, ops.shape(z)[: -len(self.event_shape)])

    def _sample(self, n, seed):
        return self.decode(self.latent.sample(n, seed)).sample(1, seed)[0]
