"""PosteriorHead: the abstract class of the layer at an encoder's end, which makes q(z|x)."""

import abc

from keras_vae.distributions.reparameterized import Reparameterized as Posterior
from keras_vae.numerics.float32_layer import Float32Layer


class PosteriorHead(Float32Layer, abc.ABC):
    """The layer from an encoder's features to the parameters of a posterior.

    It has the weights; the distribution has the mathematics. Everything is float32
    whatever the dtype policy. To write one, inherit, register the class with
    `keras.saving.register_keras_serializable` so that it can be saved, and define

    1. `distribution_class`, a `Posterior` (`keras_vae.distributions.Reparameterized`),
       and `param_names`, names of its arguments in their order, `z_mean` first;
    2. `build(input_shape)`: makes and builds the layers, from the shape of the
       features; `self.latent_dim`, which the encoder has set, says how wide;
    3. `call(features)`: the parameters as a dict in the order of `param_names`;
    4. `get_config`, where its constructor takes arguments.

    The smallest example:

        >>> @keras.saving.register_keras_serializable()
        ... class UnitVarianceHead(PosteriorHead):
        ...     distribution_class = DiagonalNormal
        ...     param_names = ("z_mean", "z_log_var")
        ...     def build(self, input_shape):
        ...         self.dense = keras.layers.Dense(self.latent_dim, dtype="float32")
        ...         self.dense.build(input_shape)
        ...     def call(self, features):
        ...         z_mean = self.dense(features)
        ...         return {"z_mean": z_mean, "z_log_var": ops.zeros_like(z_mean)}

    Attributes:
        distribution_class: the class of the distribution that the parameters describe.
        param_names: names of the parameters.
        draw_names: names of what comes with the parameters for one draw: `z`
            and, for flows, its log q(z|x).
    """

    distribution_class: type[Posterior]
    param_names: tuple[str, ...]
    draw_names: tuple[str, ...] = ("z",)
    latent_dim: int

    def get_build_config(self):
        return None  # The encoder builds it, having set latent_dim.

    @abc.abstractmethod
    def call(self, features) -> dict:
        """Returns the parameters of features `(batch, n)` by name."""

    def distribution(self, outputs: dict) -> Posterior:
        """Returns the distribution of parameters given by name; other names are ignored."""
        return self.distribution_class(*(outputs[name] for name in self.param_names))
