"""Posterior and PosteriorHead: the two halves that every posterior consists of."""

import keras
from keras import ops

from keras_vae.backend import normal


class Posterior:
    """q(z|x) of a batch: a distribution, made of tensors.

    Every posterior is a map of a diagonal normal, its base: a draw z is
    `from_base` of a draw of the base, so that a `SampleLayer` can draw it and
    the gradient reaches all parameters.

    A subclass defines the methods below, and these where they are known in
    closed form:

    - `kl_divergence_per_dimension(prior)`: shape `(batch, latent_dim)`, or `None`;
    - `marginal_log_prob(z)`: log q(z_d|x) of each dimension, `(..., batch, latent_dim)`;
    - `covariance()`: shape `(batch, latent_dim, latent_dim)`;
    - `stop_gradient()`: the same posterior with constant parameters;
    - `take(rows)`: the posterior of rows of the batch, by their numbers, `(n,)`,
      which a VampPrior draws from.

    Attributes:
        z_mean: the code of x without randomness, of shape `(batch, latent_dim)`.
        support: `"real"` for all of R^d, `"sphere"` for unit vectors.
        knows_any_z: whether `log_prob` takes any z or only the posterior's own draws.
    """

    support = "real"
    knows_any_z = True
    z_mean = None

    def base(self):
        """Returns mean and log σ² of the base, each of shape `(batch, latent_dim)`."""
        return ops.zeros_like(self.z_mean), ops.zeros_like(self.z_mean)

    def from_base(self, z_0):
        """Maps draws of the base to draws z of the posterior.

        Args:
            z_0: shape `(batch, latent_dim)` or `(n_samples, batch, latent_dim)`.

        Returns:
            z of the same shape, and log q(z|x) in nats, of that shape without
            the last axis.
        """
        raise NotImplementedError

    def code_and_log_prob(self):
        """Returns the code without randomness, `z_mean`, and its log q(z|x), `(batch,)`."""
        return self.from_base(self.base()[0])

    def sample_and_log_prob(self, n: int, seed=None):
        """Returns `n` draws, `(n, batch, latent_dim)`, and their log q(z|x), `(n, batch)`."""
        mean, log_var = self.base()
        epsilon = normal((n, *ops.shape(mean)), seed)
        return self.from_base(mean + ops.exp(0.5 * log_var) * epsilon)

    def sample(self, n: int, seed=None):
        """Returns `n` draws, of shape `(n, batch, latent_dim)`."""
        return self.sample_and_log_prob(n, seed)[0]

    def mean_covariance(self, weight):
        """Returns the weighted mean of `covariance()`, `(latent_dim, latent_dim)`.

        Args:
            weight: shape `(batch,)`, summing to 1.
        """
        return ops.sum(weight[:, None, None] * self.covariance(), axis=0)

    def log_prob(self, z):
        """Returns log q(z|x) in nats, summed over latent dimensions.

        Args:
            z: shape `(batch, latent_dim)` or `(n_samples, batch, latent_dim)`.

        Returns:
            Shape `(batch,)` or `(n_samples, batch)`.
        """
        raise NotImplementedError

    def std(self):
        """Returns the standard deviation of each dimension of z, or `None` without a closed form.

        Shape `(batch, latent_dim)`.
        """
        return None

    def kl_divergence(self, prior):
        """Returns KL(q(z|x) ‖ p(z)) in nats, `(batch,)`, or `None` without a closed form."""
        return None


class PosteriorHead(keras.layers.Layer):
    """The layer from an encoder's features to the parameters of a posterior.

    A subclass sets `distribution` and `param_names`, builds its layers from the
    shape of the features, and returns the parameters from `call` as a dict in
    the order of `param_names`, `z_mean` first. The encoder sets `latent_dim`
    before it builds the head. Everything is float32 whatever the dtype policy.

    Attributes:
        distribution: the `Posterior` that the parameters describe.
        param_names: names of the parameters.
        draw_names: names of what comes with the parameters for one draw: `z`
            and, for flows, its log q(z|x).
    """

    distribution: type[Posterior]
    param_names: tuple[str, ...]
    draw_names: tuple[str, ...] = ("z",)
    latent_dim: int

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)

    def get_build_config(self):
        return None  # The encoder builds it, having set latent_dim.

    def posterior(self, outputs: dict) -> Posterior:
        """Returns the posterior of parameters given by name; other names are ignored."""
        return self.distribution(*(outputs[name] for name in self.param_names))
