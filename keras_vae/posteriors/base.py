"""PosteriorHead: the abstract class of the layer at an encoder's end, which makes q(z|x)."""

import abc
import math

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
       features; `self.latent_dim`, which the encoder has set, says how wide. A head
       that can make a grid of codes, by `self.latent_shape`, says so: `takes_grids`;
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
        takes_grids: whether codes may be other than vectors.
        latent_shape: the shape of one code, which the encoder sets.
        latent_dim: how many numbers a code has.
    """

    distribution_class: type[Posterior]
    param_names: tuple[str, ...]
    draw_names: tuple[str, ...] = ("z",)
    takes_grids: bool = False
    latent_shape: tuple[int, ...]
    latent_dim: int

    def set_latent_shape(self, latent_shape: tuple[int, ...]) -> None:
        """Is told of the shape of one code by the encoder, before it builds the head.

        Raises:
            ValueError: for a grid, if the head makes vectors only.
        """
        if len(latent_shape) > 1 and not self.takes_grids:
            raise ValueError(
                f"{type(self).__name__} makes codes that are vectors, not of shape "
                f'{latent_shape}. Take posterior="diagonal_normal", or latent_dim.'
            )
        self.latent_shape, self.latent_dim = tuple(latent_shape), math.prod(latent_shape)

    def get_build_config(self) -> None:
        return None  # The encoder builds it, having set latent_shape.

    @abc.abstractmethod
    def call(self, features) -> dict:
        """Returns the parameters of features by name.

        Args:
            features: shape `(batch, n)`, or for a grid of codes `(batch, *grid, n)`.
        """

    def distribution(self, outputs: dict) -> Posterior:
        """Returns the distribution of parameters given by name; other names are ignored."""
        return self.distribution_class(*(outputs[name] for name in self.param_names))
