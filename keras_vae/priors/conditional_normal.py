"""Normal prior whose mean and variance depend on the condition."""

import math

import keras

from keras_vae.distributions.normal import DiagonalNormal
from keras_vae.networks.stack import Stack
from keras_vae.numerics.straight_through import bounded
from keras_vae.priors.conditional import ConditionalPrior
from keras_vae.saving.registry import serializable
from keras_vae.validation.arguments import plain


@serializable()
class ConditionalNormal(ConditionalPrior):
    """p(z|c) = N(μ(c), diag σ²(c)), the KL from a diagonal normal in closed form.

    It starts as N(0, I) for every c.

    Args:
        units: width of each hidden layer between e(c) and the parameters; none by default,
            which is enough for categories.
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.

    Reference:
        Sohn et al., "Learning structured output representation using deep conditional
        generative models", 2015, equation 4.

    Example:
        >>> vae = VAE(encoder, decoder, prior=ConditionalNormal(), condition=OneHot(10))
    """

    takes_grids = True

    def __init__(self, units: tuple[int, ...] = (), seed: int | None = None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        self.units = plain(tuple(units))

    def build(self, input_shape) -> None:
        super().build(input_shape)
        self.network = head((2, *self.event_shape), self.units)
        self.network.build((None, self.condition_size))

    def distribution_given(self, vector) -> DiagonalNormal:
        params = self.network(vector)
        return DiagonalNormal(params[:, 0], bounded(params[:, 1], -20.0, 10.0))

    def get_config(self) -> dict:
        return {**super().get_config(), "units": self.units}


def head(output_shape: tuple[int, ...], units: tuple[int, ...]) -> keras.layers.Layer:
    """Returns dense layers from e(c) to parameters that start at zero."""
    hidden = [keras.layers.Dense(n, "relu", dtype="float32") for n in units]
    return Stack(
        [
            *hidden,
            keras.layers.Dense(
                math.prod(output_shape), kernel_initializer="zeros", dtype="float32"
            ),
            keras.layers.Reshape(output_shape, dtype="float32"),
        ],
        dtype="float32",
    )
