"""Mixture of discretized logistics, for intensities in [0, 1] of some number of levels."""

import keras
from keras import ops

from keras_vae.distributions.seeds import generator
from keras_vae.likelihoods.base import Likelihood, check_unit_interval
from keras_vae.likelihoods.discretized_logistic import (
    bound_log_scale,
    check_n_levels,
    clipped_mean,
    draw_level,
    log_prob_of_level,
)
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_count


@serializable(old="DiscretizedLogisticMixture")
class DiscretizedLogisticMixture(Likelihood):
    """log p(x|z) = Σ log Σ_k π_k P_k(x), in nats, P_k as in `DiscretizedLogistic`.

    The decoder gives 3 K params per feature: the logits of all π_1, ..., of all
    π_K, then the μ and then the log s of the components likewise. Features are
    independent given z: unlike in PixelCNN++, each color channel has a mixture
    of its own, whose means do not depend on the other channels.

    Args:
        n_components: K, the number of logistics per feature.
        n_levels: number of levels, such as 256 for 8-bit images divided by 255.

    Raises:
        ValueError: if `n_components` is not a positive integer or `n_levels`
            not an integer above 1.

    Reference:
        Salimans et al., "PixelCNN++", 2017, equation 2.
    """

    def __init__(self, n_components: int = 5, n_levels: int = 256, **kwargs):
        super().__init__(**kwargs)
        self.n_components = check_count("n_components", n_components)
        self.n_levels = check_n_levels(n_levels)
        self.params_per_feature = 3 * self.n_components

    def log_prob_per_feature(self, target, params) -> Tensor:
        logits, means, log_scales = self._components(params)
        target = ops.expand_dims(target, -2)
        per_component = log_prob_of_level(target, means, log_scales, self.n_levels)
        return ops.logsumexp(ops.log_softmax(logits, axis=-2) + per_component, axis=-2)

    def mean(self, params) -> Tensor:
        """Returns the mean of the logistics clipped to [0, 1], exact to half a level."""
        logits, means, log_scales = self._components(params)
        return ops.sum(ops.softmax(logits, axis=-2) * clipped_mean(means, log_scales), axis=-2)

    def sample(self, params, seed=None) -> Tensor:
        seed = generator(seed)
        logits, means, log_scales = self._components(params)
        logits = ops.swapaxes(logits, -2, -1)
        flat = ops.reshape(logits, (-1, self.n_components))
        index = keras.random.categorical(flat, 1, seed=seed)
        index = ops.expand_dims(ops.reshape(index, ops.shape(logits)[:-1]), -2)
        mean, log_scale = (
            ops.squeeze(ops.take_along_axis(block, index, axis=-2), -2)
            for block in (means, log_scales)
        )
        return draw_level(mean, log_scale, self.n_levels, seed)

    def check_target(self, target) -> None:
        check_unit_interval(type(self).__name__, target)

    def _components(self, params):
        """Returns logits, means and log scales, each with the components as the axis -2."""
        blocks = ops.split(ops.cast(params, "float32"), 3, axis=-1)
        shape = (*ops.shape(params)[:-1], self.n_components, -1)
        logits, means, log_scales = (ops.reshape(block, shape) for block in blocks)
        return logits, means, bound_log_scale(log_scales)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "n_components": self.n_components,
            "n_levels": self.n_levels,
        }
