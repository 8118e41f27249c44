"""Gaussian mixture prior whose parameters depend on the condition."""

import keras
import numpy as np
from keras import ops

from keras_vae import distributions
from keras_vae.numerics.clusters import clusters
from keras_vae.numerics.straight_through import bounded
from keras_vae.priors.conditional import ConditionalPrior
from keras_vae.priors.conditional_normal import head
from keras_vae.saving.registry import serializable
from keras_vae.validation.arguments import check_count, plain


@serializable()
class ConditionalMixture(ConditionalPrior):
    """p(z|c) = Σ_k π_k(c) N(μ_k(c), diag σ_k²(c)).

    The KL from a posterior has no closed form and is estimated by the draw.

    Args:
        n_components: K, the number of Gaussians.
        units: width of each hidden layer between e(c) and the parameters.
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.

    Raises:
        ValueError: if `n_components` is not a positive integer.

    Reference:
        Dilokthanakul et al., "Deep unsupervised clustering with Gaussian mixture
        variational autoencoders", 2016, section 2, with c in place of w.
    """

    takes_grids = True

    def __init__(
        self,
        n_components: int = 10,
        units: tuple[int, ...] = (),
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        self.n_components = check_count("n_components", n_components)
        self.units = plain(tuple(units))

    def build(self, input_shape) -> None:
        super().build(input_shape)
        shape = (self.n_components, *self.event_shape)
        # Apart from one another, as components that start alike stay alike.
        self.means = self.add_weight(
            shape, keras.initializers.RandomNormal(stddev=1.0), name="means"
        )
        self.normals = head((2, *shape), self.units)
        self.logits = head((self.n_components,), self.units)
        for network in (self.normals, self.logits):
            network.build((None, self.condition_size))

    def start(self, z, rng: np.random.Generator, x=None, vector=None) -> None:
        """Begins with means among the codes, apart from one another."""
        own = clusters(z, self.n_components, rng)
        self.means.assign(np.stack([points.mean(axis=0) for points in own]))

    def distribution_given(self, vector) -> distributions.MixtureOfNormals:
        shifts = self.normals(vector)
        means = ops.convert_to_tensor(self.means) + shifts[:, 0]
        log_vars = bounded(shifts[:, 1], -20.0, 10.0)
        return distributions.MixtureOfNormals(self.logits(vector), means, log_vars)

    def get_config(self) -> dict:
        return {**super().get_config(), "n_components": self.n_components, "units": self.units}
