"""Gaussian mixture prior, learned with the rest of the model or after it."""

import keras
import numpy as np
from keras import ops

from keras_vae import distributions
from keras_vae.numerics.clusters import clusters
from keras_vae.priors.base import Prior
from keras_vae.saving.registry import serializable
from keras_vae.validation.arguments import check_choice, check_count


@serializable(old="GaussianMixture")
class GaussianMixture(Prior):
    """p(z) = Σ_k π_k N(μ_k, diag σ_k²), with learned weights, means and variances.

    The KL from a posterior has no closed form and is estimated by one draw. `vae.fit_prior`
    begins with means among the codes, by k-means++.

    Args:
        n_components: number of Gaussians.
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.
        covariance: `"diagonal"`, or `"full"` for N(μ_k, L_k L_kᵀ), of vectors only, with
            L_k = diag(σ_k) (I + B_k), B_k strictly lower triangular.

    Raises:
        ValueError: if `n_components` is not a positive integer, or the covariance unknown.

    Reference:
        Dilokthanakul et al., "Deep unsupervised clustering with Gaussian
        mixture variational autoencoders", 2016, section 2; Tomczak & Welling,
        "VAE with a VampPrior", 2018, section 4; Ghosh et al., "From variational to
        deterministic autoencoders", 2020, section 4, for one that is fitted afterwards.
    """

    def __init__(
        self,
        n_components: int = 10,
        seed: int | None = None,
        covariance: str = "diagonal",
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        self.n_components = check_count("n_components", n_components)
        self.covariance = check_choice("covariance", covariance, ("diagonal", "full"))

    @property
    def takes_grids(self) -> bool:  # type: ignore[override]  # others have a plain attribute
        return self.covariance == "diagonal"

    def build(self, input_shape) -> None:
        super().build(input_shape)
        shape = (self.n_components, *self.event_shape)
        # Apart from one another, as components that start alike stay alike.
        self.means = self.add_weight(
            shape, keras.initializers.RandomNormal(stddev=1.0), name="means"
        )
        self.log_vars = self.add_weight(shape, "zeros", name="log_vars")
        self.logits = self.add_weight((self.n_components,), "zeros", name="logits")
        if self.covariance == "full":
            # What lies on and above the diagonal of these is not used.
            self.below = self.add_weight((*shape, shape[-1]), "zeros", name="below_diagonal")

    def start(self, z, rng: np.random.Generator, x=None, vector=None) -> None:
        """Begins with the clusters that k-means++ finds among the codes."""
        own = clusters(z, self.n_components, rng)
        self.means.assign(np.stack([points.mean(axis=0) for points in own]))
        self.logits.assign(np.log([len(points) / len(z) for points in own]))
        # So wide at least, as a cluster of one point has no width.
        floor = 1e-3 * z.var(axis=0) + 1e-6
        if self.covariance == "diagonal":
            variances = np.stack([points.var(axis=0) + floor for points in own])
            self.log_vars.assign(np.log(variances))
            return
        covariances = [np.cov(points.T, bias=True) + np.diag(floor) for points in own]
        tril = np.linalg.cholesky(covariances)
        scale = np.diagonal(tril, axis1=1, axis2=2)
        self.log_vars.assign(2.0 * np.log(scale))
        self.below.assign(np.tril(tril / scale[..., None], -1))

    def distribution(self) -> distributions.Mixture:
        return distributions.Mixture(self.logits, self._components())

    def _components(self):
        if self.covariance == "diagonal":
            return distributions.DiagonalNormal(self.means, self.log_vars)
        log_vars = ops.convert_to_tensor(self.log_vars)
        below = ops.array(np.tri(log_vars.shape[-1], k=-1, dtype="float32"))
        tril = ops.eye(log_vars.shape[-1]) + below * ops.convert_to_tensor(self.below)
        scale_tril = ops.expand_dims(ops.exp(0.5 * log_vars), -1) * tril
        return distributions.FullCovarianceNormal(self.means, scale_tril)

    def get_config(self) -> dict:
        config = {"n_components": self.n_components, "covariance": self.covariance}
        return {**super().get_config(), **config}
