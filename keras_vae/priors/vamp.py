"""VampPrior: a mixture of the posteriors of learned pseudo-inputs."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_vae import distributions
from keras_vae.conditions import NOTHING, Given
from keras_vae.numerics.straight_through import bounded
from keras_vae.priors.base import Prior
from keras_vae.saving.registry import serializable
from keras_vae.validation.arguments import check_choice, check_count, plain


@serializable(old="VampPrior")
class VampPrior(Prior):
    """p(z) = 1/K Σ_k q(z|u_k): the encoder's posteriors of K learned inputs u_k.

    The KL from a posterior has no closed form and is estimated by the draw.

    Args:
        n_components: K, the number of pseudo-inputs.
        pseudo_inputs: where they start, an array of shape `(K, *features)` such
            as K samples of the data, which learns fastest; it then gives
            `n_components`. `None` starts from the middle of `value_range`, with
            noise.
        value_range: the pseudo-inputs are clipped to it, the gradient passing
            through; `None` for data without bounds. `"auto"` is the range of
            the given `pseudo_inputs`, and (0, 1) without them.
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.

    Raises:
        ValueError: if the posterior is a flow, or the pseudo-inputs are not of
            the shape of the data.

    Reference:
        Tomczak & Welling, "VAE with a VampPrior", 2018, equation 9.

    Example:
        >>> prior = VampPrior(pseudo_inputs=x_train[:200])
    """

    takes_grids = True
    starts_from_data = True
    support = None  # that of the posterior, whatever it is

    def __init__(
        self,
        n_components: int = 100,
        pseudo_inputs=None,
        value_range: tuple[float, float] | str | None = "auto",
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        if pseudo_inputs is not None:
            pseudo_inputs = np.array(pseudo_inputs, "float32")
            n_components = len(pseudo_inputs)
        self.n_components = check_count("n_components", n_components)
        self.pseudo_inputs = pseudo_inputs
        # A range that nobody said becomes that of the data, where `start` shows them.
        self._has_no_range = isinstance(value_range, str) and pseudo_inputs is None
        if isinstance(value_range, str):
            check_choice("value_range", value_range, ("auto",))
            given = (0.0, 1.0) if pseudo_inputs is None else pseudo_inputs
            value_range = (float(np.nanmin(given)), float(np.nanmax(given)))
        self.value_range = None if value_range is None else plain(tuple(value_range))
        self._posterior_of: Callable | None = None

    def check_posterior(self, posterior: type[distributions.Distribution]) -> None:
        """Raises a ValueError for a flow posterior, see the class."""
        if not posterior.knows_any_z:
            raise ValueError(
                "A VampPrior needs log q(z|u) at the codes of other inputs, which a "
                f'{posterior.__name__} does not know. Take posterior="diagonal_normal", '
                '"full_covariance_normal" or "von_mises_fisher", or prior="real_nvp".'
            )

    def connect(self, posterior_of: Callable, input_features: tuple) -> None:
        """Is told of the encoder by the VAE that builds it.

        Args:
            posterior_of: from inputs, `(n, *features)`, and what is given to their posterior.
            input_features: shape of one input.
        """
        if self.pseudo_inputs is not None and self.pseudo_inputs.shape[1:] != input_features:
            raise ValueError(
                f"pseudo_inputs has samples of shape {self.pseudo_inputs.shape[1:]}, but the "
                f"encoder takes {input_features}."
            )
        self._posterior_of = posterior_of
        self._input_features = input_features

    def build(self, input_shape) -> None:
        if self._posterior_of is None:
            raise ValueError("A VampPrior is built by its VAE, whose encoder it uses.")
        super().build(input_shape)
        low, high = self.value_range or (-1.0, 1.0)
        noise = keras.initializers.TruncatedNormal(0.5 * (low + high), 0.25 * (high - low))
        start = noise if self.pseudo_inputs is None else _Constant(self.pseudo_inputs)
        shape = (self.n_components, *self._input_features)
        self.inputs = self.add_weight(shape, start, name="pseudo_inputs")
        if self.condition_size:
            # The condition of each pseudo-input is learned too: p(z) does not depend on c.
            shape = (self.n_components, self.condition_size)
            normal = keras.initializers.RandomNormal(stddev=0.1)
            self.vectors = self.add_weight(shape, normal, name="pseudo_conditions")

    def start(self, z, rng: np.random.Generator, x=None, vector=None) -> None:
        """Begins with rows of the data, unless the constructor was given some."""
        if self.pseudo_inputs is not None or x is None:
            return
        x = np.nan_to_num(x)  # where nothing was observed, as the encoder sees it
        if self._has_no_range:
            self.value_range = (float(x.min()), float(x.max()))
        rows = rng.choice(len(x), self.n_components, replace=len(x) < self.n_components)
        self.inputs.assign(x[rows])
        if vector is not None:
            self.vectors.assign(vector[rows])

    def distribution(self) -> distributions.Mixture:
        assert self._posterior_of is not None  # or `build` had raised
        inputs = ops.convert_to_tensor(self.inputs)
        # The encoder sees each pseudo-input once, whatever is drawn.
        inputs = bounded(inputs, *self.value_range) if self.value_range else inputs
        given = NOTHING
        if self.condition_size:
            given = Given(vector=ops.convert_to_tensor(self.vectors))
        components = self._posterior_of(inputs, given)
        return distributions.Mixture(ops.zeros((self.n_components,)), components)

    def get_build_config(self) -> None:
        return None  # The VAE builds it, having connected it.

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "n_components": self.n_components,
            "value_range": self.value_range,
        }


class _Constant(keras.initializers.Initializer):
    def __init__(self, value):
        self.value = value

    def __call__(self, shape, dtype=None):
        return ops.convert_to_tensor(self.value, dtype)
