"""FromDistribution: a prior that is a TensorFlow Probability distribution."""

from typing import Any, Self

from keras import ops

from keras_vae.distributions import tfp
from keras_vae.priors.base import Prior
from keras_vae.saving.registry import serializable


@serializable(old="FromDistribution")
class FromDistribution(Prior):
    """p(z) is a `tfp.distributions.Distribution` over vectors. TensorFlow backend only.

    `VAE(prior=distribution)` is short for this with fixed parameters. A prior
    that is to be trained or saved is given as a function, which runs at each
    use; to be saved it must be registered with
    `keras.saving.register_keras_serializable`.

    Args:
        distribution: a distribution with an event shape of `(latent_dim,)`, or
            a function to one, of the weights by name.
        weights: starting values, numbers or arrays by name, of trainable
            weights that the function takes.
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.

    Raises:
        RuntimeError: on another backend.
        ValueError: if the distribution has variables of its own, which Keras
            would not train, or is not over vectors of `latent_dim`.

    Example:
        >>> @keras.saving.register_keras_serializable()
        ... def wide_normal(log_scale):
        ...     return tfd.MultivariateNormalDiag(scale_diag=tf.exp(log_scale))
        >>> prior = FromDistribution(wide_normal, weights={"log_scale": np.zeros(10)})
    """

    public_name = None
    takes_grids = True

    def __init__(
        self,
        distribution: Any,
        weights: dict | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        tfp.check_backend()
        super().__init__(seed=seed, **kwargs)
        self.function = None
        if tfp.is_distribution(distribution):
            if distribution.trainable_variables:
                raise ValueError(
                    "The distribution has TensorFlow variables, which Keras would not train. "
                    "Pass a function to it and its weights: keras_vae.priors.FromDistribution("
                    "function, weights={...})."
                )
            self._fixed = distribution
            self._start = {}
        else:
            self.function = distribution
            self._start = tfp.check_function("distribution", distribution, weights)

    def build(self, input_shape) -> None:
        super().build(input_shape)
        self._weights_by_name = tfp.add_weights(self, self._start)
        distribution = self.distribution().wrapped
        event, batch = tuple(distribution.event_shape), tuple(distribution.batch_shape)
        if event != self.event_shape or batch:
            raise ValueError(
                f"The prior must be over codes, with event shape {self.event_shape} and no "
                f"batch shape; {distribution.name} has event shape {event} and batch shape "
                f"{batch}. tfd.Independent turns batch axes into the event."
            )

    def distribution(self) -> tfp.FromTFP:
        if self.function is None:
            return tfp.FromTFP(self._fixed)
        weights = {name: ops.convert_to_tensor(w) for name, w in self._weights_by_name.items()}
        return tfp.FromTFP(self.function(**weights))

    def get_config(self) -> dict:
        if self.function is None:
            raise ValueError(
                "A tfd.Distribution object cannot be saved. Pass a registered function that "
                "makes it: keras_vae.priors.FromDistribution(function)."
            )
        return {
            **super().get_config(),
            **tfp.to_config("distribution", self.function, self._start),
        }

    @classmethod
    def from_config(cls, config) -> Self:
        return cls(**tfp.arguments("distribution", config))
