"""Bernoulli likelihood, for binary data and for intensities in [0, 1]."""

import keras
from keras import ops

from keras_vae.likelihoods.likelihood import (
    Likelihood,
    check_logits_or_probabilities,
    sum_features,
)


@keras.saving.register_keras_serializable(package="keras_vae")
class Bernoulli(Likelihood):
    """log p(x|z) = Σ x log p + (1 - x) log(1 - p), in nats.

    For x strictly between 0 and 1 this is the usual cross-entropy, which is
    not a normalized density.

    Args:
        from_logits: whether the decoder gives logits (log-odds of p), the
            stable choice, or p itself. Probabilities are kept 1e-7 away from
            0 and 1.

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, equation 11.
    """

    def __init__(self, from_logits: bool = True):
        self.from_logits = from_logits

    def log_prob(self, target, params):
        x, params = ops.cast(target, "float32"), ops.cast(params, "float32")
        if self.from_logits:
            return sum_features(x * params - ops.softplus(params), x)
        p = ops.clip(params, 1e-7, 1.0 - 1e-7)
        return sum_features(x * ops.log(p) + (1.0 - x) * ops.log(1.0 - p), x)

    def mean(self, params):
        params = ops.cast(params, "float32")
        return ops.sigmoid(params) if self.from_logits else params

    def sample(self, params, seed=None):
        p = self.mean(params)
        return ops.cast(keras.random.uniform(ops.shape(p), seed=seed) < p, "float32")

    def check_target(self, target):
        low, high = target.min(), target.max()
        if low < 0 or high > 1:
            hint = 'x.astype("float32") / 255 scales 8-bit images' if high > 1 else "scale the data"
            raise ValueError(
                f"{type(self).__name__} needs values in [0, 1]; the data goes from {low:.6g} to "
                f"{high:.6g}. "
                f'To mend it, {hint}; for real-valued data use likelihood="gaussian".'
            )

    def check_params(self, params):
        check_logits_or_probabilities(type(self).__name__, params, self.from_logits)

    def get_config(self):
        return {"from_logits": self.from_logits}
