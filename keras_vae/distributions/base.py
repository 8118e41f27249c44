"""Distribution: what posteriors, priors and likelihoods are made of."""

import abc

from keras import ops

from keras_vae.distributions.seeds import generator
from keras_vae.typing import Tensor


class NoClosedFormError(ValueError):
    """Is raised where a distribution does not know in closed form what it is asked for."""


class Distribution(abc.ABC):
    """A distribution over arrays of one shape, or a batch of such, made of tensors.

    It has no weights: a head, which is a layer, has them and makes it anew in each
    step. Shapes are those of a draw, `event_shape`, with the batch's axes, if any, in
    front, and before these the axis of several draws. Log-probabilities sum over the
    event, in nats. Everything is float32.

    To write one, inherit, set `event_shape` in the constructor and define

    1. `_log_prob(z)`: log p of z, `(..., *batch, *event_shape)`, float32, to `(..., *batch)`;
    2. `_sample(n, seed)`: n draws, `(n, *batch, *event_shape)`; `seed` is a
       `keras.random.SeedGenerator` or `None`, as the functions of `keras.random` take it;
    3. of the methods `mean`, `mode`, `std`, `covariance`, `mean_covariance` and
       `marginal_log_prob` those that have a closed form, with their names in `closed_forms`.

    A closed form of the KL to or from another is registered beside it, see
    `keras_vae.distributions.kl.register_kl`. The smallest example:

        >>> class Exponential(Distribution):
        ...     def __init__(self, rate):  # (latent_dim,)
        ...         self.rate = ops.convert_to_tensor(rate, "float32")
        ...         self.event_shape = tuple(self.rate.shape)
        ...     def _log_prob(self, z):
        ...         return ops.sum(ops.log(self.rate) - self.rate * z, axis=-1)
        ...     def _sample(self, n, seed):
        ...         u = keras.random.uniform((n, *self.event_shape), seed=seed)
        ...         return -ops.log1p(-u) / self.rate

    Attributes:
        event_shape: the shape of one draw, such as `(latent_dim,)`.
        support: `"real"` for all arrays, `"sphere"` for unit vectors.
        closed_forms: names of the methods of the third point that this class has.
        knows_any_z: whether `log_prob` takes any z or only the distribution's own draws.
        has_density: whether there is a density at all; a point mass has none.
        log_prob_is_bound: whether `log_prob` is a lower bound of log p, and no more.
    """

    event_shape: tuple[int, ...]
    support: str = "real"
    closed_forms: frozenset[str] = frozenset()
    knows_any_z: bool = True
    has_density: bool = True
    log_prob_is_bound: bool = False

    def log_prob(self, z) -> Tensor:
        """Returns log p(z) in nats, summed over the event.

        Args:
            z: shape `(..., *batch, *event_shape)`.

        Returns:
            Shape `(..., *batch)`, float32.
        """
        return self._log_prob(ops.convert_to_tensor(z, "float32"))

    def sample(self, n: int, seed=None) -> Tensor:
        """Returns `n` draws, of shape `(n, *batch, *event_shape)`.

        Args:
            n: how many.
            seed: an integer, a `keras.random.SeedGenerator`, or `None` for Keras's own.
        """
        return self._sample(n, generator(seed))

    def sample_and_log_prob(self, n: int, seed=None) -> tuple[Tensor, Tensor]:
        """Returns `n` draws as `sample` does, and their log-probabilities, `(n, *batch)`."""
        z = self.sample(n, seed)
        return z, self.log_prob(z)

    @abc.abstractmethod
    def _log_prob(self, z):
        """Returns log p of a float32 tensor."""

    @abc.abstractmethod
    def _sample(self, n, seed):
        """Returns n draws by a `keras.random.SeedGenerator`."""

    def mean(self) -> Tensor:
        """Returns E[z], of shape `(*batch, *event_shape)`."""
        raise self._no_closed_form("mean")

    def mode(self) -> Tensor:
        """Returns the z of highest density, of shape `(*batch, *event_shape)`."""
        raise self._no_closed_form("mode")

    def std(self) -> Tensor:
        """Returns the standard deviation of each number of z, `(*batch, *event_shape)`."""
        raise self._no_closed_form("std")

    def covariance(self) -> Tensor:
        """Returns the covariance of vectors z, `(*batch, latent_dim, latent_dim)`."""
        raise self._no_closed_form("covariance")

    def mean_covariance(self, weight) -> Tensor:
        """Returns the weighted mean of `covariance()` over the batch, `(latent_dim, latent_dim)`.

        Args:
            weight: shape `(batch,)`, summing to 1.
        """
        return ops.sum(weight[:, None, None] * self.covariance(), axis=0)

    def marginal_log_prob(self, z) -> Tensor:
        """Returns log p(z_d) of each number of z, of the shape of `z`."""
        raise self._no_closed_form("marginal_log_prob")

    def sum_over_event(self, values) -> Tensor:
        """Returns the sum of values over the axes of the event."""
        return ops.sum(values, axis=tuple(range(-len(self.event_shape), 0)))

    def _no_closed_form(self, what):
        return NoClosedFormError(
            f"{type(self).__name__} has no closed form of {what}. Those that it has are in its "
            f"closed_forms: {', '.join(sorted(self.closed_forms)) or 'none'}."
        )
