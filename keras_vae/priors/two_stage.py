"""TwoStage: a prior that is a VAE of the codes."""

import math

import keras
import numpy as np
from keras import ops

from keras_vae import distributions
from keras_vae.backend import normal
from keras_vae.conditions import NOTHING, Given
from keras_vae.networks.stack import Stack
from keras_vae.numerics.straight_through import bounded
from keras_vae.priors.base import Prior
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_count, check_shape

# Draws of u that `log_prob` takes the mean over, in pairs of opposite noise.
_N_DRAWS = 16


@serializable()
class TwoStage(Prior):
    """p(z) = ∫ N(z; f(u), diag σ²) N(u; 0, I) du: a second VAE, of the codes, with the code u.

    It is meant for `vae.fit_prior`, after training. Its log p(z) is not known: `log_prob` is
    its ELBO, with 16 fixed draws of q(u|z), so that it is the same at each call. So with this
    prior `score` and `log_likelihood` are lower, and `kl_loss` higher, than with the p(z) that
    is drawn from, by KL(q(u|z) ‖ p(u|z)). Samples are exact.

    Args:
        latent_dim: dimensions of u; by default as many as z has, as in the paper.
        units: width of each hidden layer of the two networks, of the decoder in this order
            backwards.
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.

    Raises:
        ValueError: if an argument is not positive.

    Reference:
        Dai & Wipf, "Diagnosing and enhancing VAE models", 2019, section 4.

    Example:
        >>> vae.fit_prior(x, TwoStage(latent_dim=16))
        >>> images = vae.sample(16)
    """

    takes_grids = True

    def __init__(
        self,
        latent_dim: int | None = None,
        units: tuple[int, ...] = (256, 256),
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        self.latent_dim = None if latent_dim is None else check_count("latent_dim", latent_dim)
        self.units = check_shape("units", units)

    def build(self, input_shape) -> None:
        super().build(input_shape)
        n = math.prod(self.event_shape)
        self.code_dim = self.latent_dim or n
        self.encoder = _network((*self.units, 2 * self.code_dim))
        self.encoder.build((None, n))
        self.decoder = _network((*reversed(self.units), n))
        self.decoder.build((None, self.code_dim))
        self.log_vars = self.add_weight((n,), "zeros", name="log_vars")
        half = np.random.default_rng(0).normal(size=(_N_DRAWS // 2, 1, self.code_dim))
        self._noise = np.concatenate([half, -half]).astype("float32")

    def start(self, z, rng: np.random.Generator, x=None, vector=None) -> None:
        """Begins with the mean and the variances of the codes."""
        flat = z.reshape(len(z), -1)
        self.decoder.stack[-1].bias.assign(flat.mean(axis=0))
        self.log_vars.assign(np.log(flat.var(axis=0) + 1e-6))

    def distribution(self) -> distributions.Marginal:
        return self._distribution(ops.convert_to_tensor(self._noise))

    def log_prob_to_fit(self, z, given: Given = NOTHING) -> Tensor:
        # Of new noise: networks would learn what is fixed by heart.
        noise = normal((1, ops.shape(z)[0], self.code_dim), self.seed_generator)
        return self._distribution(noise).log_prob(z)

    def _distribution(self, noise):
        return distributions.Marginal(self.event_shape, self._encode, self._decode, noise)

    def _encode(self, z):
        mean, log_var = ops.split(self.encoder(ops.reshape(z, (ops.shape(z)[0], -1))), 2, axis=-1)
        return distributions.DiagonalNormal(mean, bounded(log_var, -20.0, 10.0))

    def _decode(self, u):
        mean = ops.reshape(self.decoder(u), (-1, *self.event_shape))
        log_vars = bounded(ops.convert_to_tensor(self.log_vars), -20.0, 10.0)
        log_vars = ops.reshape(log_vars, (1, *self.event_shape))
        return distributions.DiagonalNormal(mean, ops.broadcast_to(log_vars, ops.shape(mean)))

    def get_config(self) -> dict:
        config = {"latent_dim": self.latent_dim, "units": self.units}
        return {**super().get_config(), **config}


def _network(units):
    """Returns dense layers, the last one without activation."""
    hidden = [keras.layers.Dense(n, "relu", dtype="float32") for n in units[:-1]]
    return Stack([*hidden, keras.layers.Dense(units[-1], dtype="float32")], dtype="float32")
