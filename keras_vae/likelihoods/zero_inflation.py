"""ZeroInflatable: the base of the likelihoods of counts, which may have extra zeros."""

import keras
import numpy as np
from keras import ops

from keras_vae.distributions.seeds import generator
from keras_vae.likelihoods.base import Likelihood
from keras_vae.typing import Tensor


class ZeroInflatable(Likelihood):
    """p(x|z) = π [x = 0] + (1 - π) q(x|z) for a distribution q of counts.

    A subclass defines `blocks_of_count`, how many params q has per feature, and
    from these blocks `log_prob_of_count`, `mean_of_count` and `sample_count`.

    Its first block of params is the log of the mean, to which a log exposure is added.

    Args:
        zero_inflated: whether there are extra zeros, the logits of all π being a
            last block of params; otherwise π = 0.

    Reference:
        Lambert, "Zero-inflated Poisson regression, with an application to
        defects in manufacturing", 1992, section 2.
    """

    blocks_of_count = 1
    takes_exposure = True

    def __init__(self, zero_inflated: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.zero_inflated = bool(zero_inflated)
        self.params_per_feature = self.blocks_of_count + self.zero_inflated

    def log_prob_per_feature(self, target, params) -> Tensor:
        *blocks, logit = self._blocks_and_logit(params)
        log_q = self.log_prob_of_count(target, *blocks)
        if logit is None:
            return log_q
        # log(e^logit + q) from the larger one; ops.logaddexp has another gradient at a tie.
        extra = logit > log_q
        larger = ops.where(extra, logit, log_q)
        either = larger + ops.softplus(ops.where(extra, log_q - logit, logit - log_q))
        return ops.where(target == 0.0, either, log_q) - ops.softplus(logit)

    def mean(self, params) -> Tensor:
        *blocks, logit = self._blocks_and_logit(params)
        mean = self.mean_of_count(*blocks)
        return mean if logit is None else mean * ops.sigmoid(-logit)

    def sample(self, params, seed=None) -> Tensor:
        seed = generator(seed)
        *blocks, logit = self._blocks_and_logit(params)
        draws = self.sample_count(*blocks, seed=seed)
        if logit is None:
            return draws
        u = keras.random.uniform(ops.shape(draws), dtype="float32", seed=seed)
        return ops.where(u < ops.sigmoid(logit), 0.0, draws)

    def exposed(self, params, log_exposure, shares) -> Tensor:
        log_mean, *others = self.split(params)
        if shares:
            flat = ops.reshape(log_mean, (ops.shape(log_mean)[0], -1))
            log_mean = ops.reshape(ops.log_softmax(flat), ops.shape(log_mean))
        log_exposure = ops.reshape(log_exposure, (-1, *[1] * (len(log_mean.shape) - 1)))
        return ops.concatenate([log_mean + log_exposure, *others], axis=-1)

    def log_prob_of_count(self, target, *blocks) -> Tensor:
        """Returns log q of each count, in nats."""
        raise NotImplementedError

    def mean_of_count(self, *blocks) -> Tensor:
        """Returns the mean of q."""
        raise NotImplementedError

    def sample_count(self, *blocks, seed) -> Tensor:
        """Returns a draw of q; `seed` is not an integer, so that each use draws anew."""
        raise NotImplementedError

    def check_target(self, target) -> None:
        values = target[~np.isnan(target)]
        fractions = values[values != np.floor(values)]
        if (values < 0).any() or fractions.size:
            found = f"the value {fractions[0]:.6g}" if fractions.size else "negative values"
            raise ValueError(
                f"{type(self).__name__} needs counts (0, 1, 2, ...); the data has {found}. Pass "
                'raw, not normalized counts; for real-valued data use likelihood="gaussian".'
            )

    def _blocks_and_logit(self, params):
        blocks = self.split(params)
        return blocks if self.zero_inflated else [*blocks, None]

    def get_config(self) -> dict:
        return {**super().get_config(), "zero_inflated": self.zero_inflated}
