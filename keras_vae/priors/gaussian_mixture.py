"""Gaussian mixture prior, learned with the rest of the model."""

import keras

from keras_vae import distributions
from keras_vae.priors.base import Prior
from keras_vae.saving.registry import serializable
from keras_vae.validation.arguments import check_count


@serializable(old="GaussianMixture")
class GaussianMixture(Prior):
    """p(z) = Σ_k π_k N(μ_k, diag σ_k²), with learned weights, means and variances.

    The KL from a posterior has no closed form and is estimated by one draw.

    Args:
        n_components: number of Gaussians.
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.

    Raises:
        ValueError: if `n_components` is not a positive integer.

    Reference:
        Dilokthanakul et al., "Deep unsupervised clustering with Gaussian
        mixture variational autoencoders", 2016, section 2; Tomczak & Welling,
        "VAE with a VampPrior", 2018, section 4.
    """

    takes_grids = True

    def __init__(self, n_components: int = 10, seed: int | None = None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        self.n_components = check_count("n_components", n_components)

    def build(self, input_shape) -> None:
        super().build(input_shape)
        shape = (self.n_components, *self.event_shape)
        # Apart from one another, as components that start alike stay alike.
        self.means = self.add_weight(
            shape, keras.initializers.RandomNormal(stddev=1.0), name="means"
        )
        self.log_vars = self.add_weight(shape, "zeros", name="log_vars")
        self.logits = self.add_weight((self.n_components,), "zeros", name="logits")

    def distribution(self) -> distributions.Mixture:
        components = distributions.DiagonalNormal(self.means, self.log_vars)
        return distributions.Mixture(self.logits, components)

    def get_config(self) -> dict:
        return {**super().get_config(), "n_components": self.n_components}
