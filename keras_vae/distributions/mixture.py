"""Mixtures of distributions of one kind."""

import keras
from keras import ops

from keras_vae.distributions.base import Distribution
from keras_vae.distributions.reparameterized import Reparameterized

# Rows of one draw, as a covariance per row takes memory.
_MAX_ROWS = 4096


class Mixture(Distribution):
    """p(z) = Σ_k π_k p_k(z).

    Args:
        logits: log π_k up to a constant, `(K,)`.
        components: a batch of K distributions, the p_k.
    """

    def __init__(self, logits, components: Reparameterized):
        self.logits = ops.convert_to_tensor(logits, "float32")
        self.components = components
        self.event_shape = components.event_shape
        self.support = components.support

    def _log_prob(self, z):
        z = ops.expand_dims(z, -1 - len(self.event_shape))
        per_component = self.components.log_prob(z)
        return ops.logsumexp(per_component + ops.log_softmax(self.logits), axis=-1)

    def _sample(self, n, seed):
        chosen = keras.random.categorical(ops.expand_dims(self.logits, 0), n, seed=seed)[0]
        if not isinstance(n, int) or n <= _MAX_ROWS:
            return self._draw(chosen, seed)
        parts = (chosen[i : i + _MAX_ROWS] for i in range(0, n, _MAX_ROWS))
        return ops.concatenate([self._draw(part, seed) for part in parts])

    def _draw(self, chosen, seed):
        return self.components.take(chosen).sample(1, seed)[0]
