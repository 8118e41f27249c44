"""Reparameterized: a distribution whose draws are a map of a diagonal normal's."""

import abc
from collections.abc import Callable

from keras import ops

from keras_vae.backend import normal
from keras_vae.distributions.base import Distribution
from keras_vae.distributions.seeds import generator
from keras_vae.typing import Tensor


class Reparameterized(Distribution):
    """q(z|x) of a batch, as a map of a diagonal normal, its base.

    A draw z is `from_base` of a draw of the base, so that a `SampleLayer` can draw it
    and the gradient reaches all parameters: the posteriors of `keras_vae.posteriors`.
    Beside `_log_prob`, a subclass sets `z_mean` and `param_names` and defines `from_base`,
    and `base` where that is not the standard normal.

    Attributes:
        param_names: names of the parameters: attributes and arguments of the constructor.
        z_mean: the code of x without randomness, `(batch, *event_shape)`.
    """

    param_names: tuple[str, ...] = ("z_mean",)
    z_mean: Tensor

    def base(self) -> tuple[Tensor, Tensor]:
        """Returns mean and log σ² of the base, each `(batch, *event_shape)`."""
        return ops.zeros_like(self.z_mean), ops.zeros_like(self.z_mean)

    @abc.abstractmethod
    def from_base(self, z_0) -> tuple[Tensor, Tensor]:
        """Maps draws of the base to draws z.

        Args:
            z_0: shape `(batch, *event_shape)` or `(n_samples, batch, *event_shape)`.

        Returns:
            z of the same shape, and log q(z|x) in nats, of that shape without the event.
        """

    def code_and_log_prob(self) -> tuple[Tensor, Tensor]:
        """Returns the code without randomness, `z_mean`, and its log q(z|x), `(batch,)`."""
        return self.from_base(self.base()[0])

    def sample_and_log_prob(self, n: int, seed=None) -> tuple[Tensor, Tensor]:
        """Returns `n` draws, `(n, batch, *event_shape)`, and their log q(z|x), `(n, batch)`."""
        return self._sample_and_log_prob(n, generator(seed))

    def _sample(self, n, seed):
        return self._sample_and_log_prob(n, seed)[0]

    def _sample_and_log_prob(self, n, seed):
        mean, log_var = self.base()
        epsilon = normal((n, *ops.shape(mean)), seed)
        return self.from_base(mean + ops.exp(0.5 * log_var) * epsilon)

    def map(self, function: Callable) -> "Reparameterized":
        """Returns the distribution with `function` applied to each parameter."""
        return type(self)(*(function(getattr(self, name)) for name in self.param_names))

    def take(self, rows) -> "Reparameterized":
        """Returns the distribution of rows of the batch, by their numbers, `(n,)`."""
        return self.map(lambda param: ops.take(param, rows, axis=0))

    def stop_gradient(self) -> "Reparameterized":
        """Returns the distribution with constant parameters."""
        return self.map(ops.stop_gradient)
