"""Mixtures of diagonal normals, one for each row of a batch."""

import keras
from keras import ops

from keras_vae.backend import normal
from keras_vae.distributions.base import Distribution
from keras_vae.distributions.normal import log_density


class MixtureOfNormals(Distribution):
    """p(z) = Σ_k π_k N(μ_k, diag σ_k²) of each row.

    Args:
        logits: log π_k up to a constant, `(batch, K)`.
        means: μ_k, `(batch, K, *event_shape)`.
        log_vars: log σ_k², of the same shape.
    """

    def __init__(self, logits, means, log_vars):
        self.logits, self.means, self.log_vars = logits, means, log_vars
        self.event_shape = tuple(means.shape[2:])

    def _log_prob(self, z):
        z = ops.expand_dims(z, -1 - len(self.event_shape))
        per_component = self.sum_over_event(log_density(z, self.means, self.log_vars))
        return ops.logsumexp(per_component + ops.log_softmax(self.logits), axis=-1)

    def _sample(self, n, seed):
        batch, n_components = self.logits.shape[0], self.logits.shape[1]
        batch = ops.shape(self.logits)[0] if batch is None else batch
        chosen = ops.transpose(keras.random.categorical(self.logits, n, seed=seed))
        ones = ops.one_hot(chosen, n_components, dtype="float32")  # (n, batch, K)
        ones = ops.reshape(ones, (n, batch, n_components, *[1] * len(self.event_shape)))
        mean, log_var = (ops.sum(ones * values, axis=2) for values in (self.means, self.log_vars))
        noise = normal((n, batch, *self.event_shape), seed)
        return mean + ops.exp(0.5 * log_var) * noise
