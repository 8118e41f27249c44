"""OfParams: p(x|z) as a distribution, which a likelihood makes of the decoder's params."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import ops

from keras_vae.distributions.base import Distribution
from keras_vae.typing import Tensor

if TYPE_CHECKING:
    from keras_vae.likelihoods.base import Likelihood


class OfParams(Distribution):
    """p(x|z) of each row of a batch.

    Args:
        likelihood: the likelihood, built.
        params: the decoder's output, `(batch, ...)`.
    """

    closed_forms = frozenset({"mean"})

    def __init__(self, likelihood: Likelihood, params):
        self.likelihood, self.params = likelihood, params
        self.event_shape = tuple(likelihood.mean(params).shape[1:])

    def mean(self) -> Tensor:
        return self.likelihood.mean(self.params)

    def _log_prob(self, z):
        lead = z.shape[: -1 - len(self.event_shape)]
        if not lead:
            return self.likelihood.log_prob(z, self.params)
        flat = ops.reshape(z, (-1, *z.shape[len(lead) + 1 :]))
        n = flat.shape[0] // z.shape[len(lead)]
        log_prob = self.likelihood.log_prob(flat, self._repeated(n))
        return ops.reshape(log_prob, (*lead, -1))

    def _sample(self, n, seed):
        draws = self.likelihood.sample(self._repeated(n), seed=seed)
        draws = ops.reshape(draws, (n, -1, *draws.shape[1:]))
        return ops.cast(draws, "float32")

    def _repeated(self, n):
        return ops.concatenate([self.params] * n)
