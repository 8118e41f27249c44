"""RealNVP prior: a normal carried through affine coupling layers, learned with the model."""

import functools

import keras
import numpy as np
from keras import ops

from keras_vae import distributions
from keras_vae.networks.stack import Stack
from keras_vae.priors.base import Prior
from keras_vae.saving.registry import serializable
from keras_vae.validation.arguments import check_count, check_shape


@serializable(old="RealNVP")
class RealNVP(Prior):
    """p(z) = N(f(z); 0, I) |det ∂f/∂z|, f a stack of affine coupling layers.

    Each layer keeps every second dimension and maps the others,
    z ← (z - t) exp(-s), with s in (-1, 1) and t from the kept ones. The KL from
    a posterior has no closed form and is estimated by the draw.

    Args:
        n_layers: number of coupling layers; every second keeps the odd dimensions.
        units: width of each hidden layer of a coupling's network.
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.

    Raises:
        ValueError: if an argument is not positive.

    Reference:
        Dinh et al., "Density estimation using Real NVP", 2017, section 3.
    """

    def __init__(
        self,
        n_layers: int = 4,
        units: tuple[int, ...] = (64, 64),
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        self.n_layers = check_count("n_layers", n_layers)
        self.units = check_shape("units", units)

    def build(self, input_shape) -> None:
        super().build(input_shape)
        self.latent_dim = input_shape[-1]
        self.networks = []
        for _ in range(self.n_layers):
            hidden = [keras.layers.Dense(n, "relu", dtype="float32") for n in self.units]
            # Zeros: the prior starts as the standard normal.
            last = keras.layers.Dense(
                2 * self.latent_dim, kernel_initializer="zeros", dtype="float32"
            )
            network = Stack([*hidden, last], dtype="float32")
            network.build((None, self.latent_dim + self.n_given))
            self.networks.append(network)

    @property
    def n_given(self) -> int:
        """How many numbers the networks see beside the code."""
        return 0

    def _shift_and_log_scale(self, i, kept, keep, vector):
        inputs = kept
        if vector is not None:
            vector = ops.broadcast_to(vector, (*ops.shape(kept)[:-1], vector.shape[-1]))
            inputs = ops.concatenate([kept, vector], axis=-1)
        outputs = self.networks[i](ops.reshape(inputs, (-1, self.latent_dim + self.n_given)))
        outputs = ops.reshape(outputs, (*ops.shape(kept)[:-1], 2 * self.latent_dim))
        shift, log_scale = ops.split(outputs, 2, axis=-1)
        return (1.0 - keep) * shift, (1.0 - keep) * ops.tanh(log_scale)

    def _keep(self, i):
        return ops.array(np.arange(self.latent_dim) % 2 == i % 2, "float32")

    def distribution(self) -> distributions.Distribution:
        return self.transformed(distributions.StandardNormal(self.event_shape))

    def transformed(self, base, vector=None) -> distributions.Transformed:
        """Returns a base carried through the layers, whose networks see a vector of each row."""
        forward = functools.partial(self._from_standard, vector=vector)
        inverse = functools.partial(self._to_standard, vector=vector)
        return distributions.Transformed(base, forward, inverse)

    def _to_standard(self, z, vector):
        log_det = 0.0
        for i in range(self.n_layers):
            keep = self._keep(i)
            shift, log_scale = self._shift_and_log_scale(i, keep * z, keep, vector)
            z = (z - shift) * ops.exp(-log_scale)
            log_det = log_det - ops.sum(log_scale, axis=-1)
        return z, log_det

    def _from_standard(self, z, vector):
        for i in reversed(range(self.n_layers)):
            keep = self._keep(i)
            shift, log_scale = self._shift_and_log_scale(i, keep * z, keep, vector)
            z = z * ops.exp(log_scale) + shift
        return z

    def get_config(self) -> dict:
        return {**super().get_config(), "n_layers": self.n_layers, "units": self.units}
