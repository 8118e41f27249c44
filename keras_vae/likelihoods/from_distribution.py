"""FromDistribution: a likelihood made of a TensorFlow Probability distribution."""

from collections.abc import Callable
from typing import Any, Self

from keras import ops

from keras_vae.distributions import tfp
from keras_vae.likelihoods.base import Likelihood
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_count


# A name of its own: the prior's twin has the class name.
@serializable(old="LikelihoodFromDistribution")
class FromDistribution(Likelihood):
    """log p(x|z) of a `tfp.distributions.Distribution`, in nats. TensorFlow backend only.

    Features can be masked if the distribution gives a log-probability for each:
    a batch shape of `(batch, *features)`, as of `tfd.Normal(params, 1.0)`.
    `tfd.Independent` and other distributions over whole samples cannot be.

    Args:
        function: from the decoder's params, and the weights by name, to a
            distribution of the target. To be saved it must be registered with
            `keras.saving.register_keras_serializable`.
        weights: starting values, numbers or arrays by name, of trainable
            weights that the function takes.
        params_per_feature: how many params one feature needs; the last axis of
            the decoder's output is that many times the target's.

    Raises:
        RuntimeError: on another backend.
        TypeError: if `function` is not a function.
        ValueError: if `params_per_feature` is not a positive integer.

    Example:
        >>> @keras.saving.register_keras_serializable()
        ... def gamma(params, log_shape):
        ...     return tfd.Gamma(tf.exp(log_shape), log_rate=params)
        >>> likelihood = FromDistribution(gamma, weights={"log_shape": 0.0})
    """

    public_name = None

    def __init__(
        self,
        function: Callable,
        weights: dict | None = None,
        params_per_feature: int = 1,
        **kwargs,
    ):
        tfp.check_backend()
        super().__init__(**kwargs)
        self.function = function
        self._start = tfp.check_function("function", function, weights)
        self.params_per_feature = check_count("params_per_feature", params_per_feature)

    def build(self, input_shape) -> None:
        self._weights_by_name = tfp.add_weights(self, self._start)

    def distribution(self, params) -> Any:
        """Returns the `tfp.distributions.Distribution` of the target for these params."""
        weights = {name: ops.convert_to_tensor(w) for name, w in self._weights_by_name.items()}
        return self.function(ops.cast(params, "float32"), **weights)

    @property
    def comes_apart(self) -> bool:
        return True  # or else `log_prob_of_features` says so

    def log_prob(self, target, params, mask=None) -> Tensor:
        log_prob, n_axes = self._log_prob_of_events(target, params, mask)
        return ops.sum(log_prob, axis=tuple(range(-n_axes, 0)))

    def log_prob_of_features(self, target, params, mask=None) -> Tensor:
        log_prob, n_axes = self._log_prob_of_events(target, params, mask)
        if n_axes < len(target.shape) - 1:
            raise ValueError(
                "The distribution gives one log-probability for a whole event, which does not come "
                "apart into features. Return one without tfd.Independent, one per feature."
            )
        return log_prob

    def _log_prob_of_events(self, target, params, mask):
        """Returns log-probabilities, and how many axes they have behind the batch."""
        target, distribution = ops.cast(target, "float32"), self.distribution(params)
        n_axes, n_summed = len(target.shape) - 1, len(distribution.event_shape)
        if n_summed > n_axes:
            raise ValueError(
                f"The target has {n_axes} axes of features, but {distribution.name} is over "
                f"events of shape {tuple(distribution.event_shape)}: does it take the batch for "
                "one of them?"
            )
        if mask is not None:
            if n_summed:
                raise ValueError(
                    f"{distribution.name} gives one log-probability for a whole event of shape "
                    f"{tuple(distribution.event_shape)}, so that single features cannot be masked. "
                    "Return a distribution without tfd.Independent, one per feature."
                )
            mask = ops.cast(mask, "bool")
            # A draw lies in the support, where 0 may not.
            draw = ops.stop_gradient(ops.cast(distribution.sample(seed=(0, 0)), "float32"))
            target = ops.where(mask, target, draw)
        log_prob = ops.cast(distribution.log_prob(target), "float32")
        if mask is not None:
            log_prob = ops.where(mask, log_prob, 0.0)
        return log_prob, n_axes - n_summed

    def mean(self, params) -> Tensor:
        return ops.cast(self.distribution(params).mean(), "float32")

    def sample(self, params, seed=None) -> Tensor:
        return tfp.draw(self.distribution(params), (), seed)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            **tfp.to_config("function", self.function, self._start),
            "params_per_feature": self.params_per_feature,
        }

    @classmethod
    def from_config(cls, config) -> Self:
        return cls(**tfp.arguments("function", config))
