"""Gaussian mixture prior, learned with the rest of the model."""

import math

import keras
from keras import ops

from keras_vae.backend import normal
from keras_vae.saving.seeded_layer import SeededLayer
from keras_vae.validation.arguments import check_count


@keras.saving.register_keras_serializable(package="keras_vae")
class GaussianMixture(SeededLayer):
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

    support = "real"

    def __init__(self, n_components: int = 10, seed: int | None = None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        self.n_components = check_count("n_components", n_components)

    def build(self, input_shape):
        shape = (self.n_components, input_shape[-1])
        # Apart from one another, as components that start alike stay alike.
        self.means = self.add_weight(
            shape, keras.initializers.RandomNormal(stddev=1.0), name="means"
        )
        self.log_vars = self.add_weight(shape, "zeros", name="log_vars")
        self.logits = self.add_weight((self.n_components,), "zeros", name="logits")

    def log_prob(self, z):
        """Returns log p(z) in nats, of the shape of `z` without its last axis."""
        z = ops.expand_dims(ops.convert_to_tensor(z, "float32"), -2)
        square = ops.square(z - self.means) * ops.exp(-self.log_vars)
        per_component = -0.5 * ops.sum(square + self.log_vars + math.log(2.0 * math.pi), axis=-1)
        return ops.logsumexp(per_component + ops.log_softmax(self.logits), axis=-1)

    def sample(self, n: int, seed: int | None = None):
        """Returns `n` draws, of shape `(n, latent_dim)`; a `seed` makes them repeatable."""
        seed = self.generator(seed)
        logits = ops.expand_dims(ops.convert_to_tensor(self.logits), 0)
        component = ops.squeeze(keras.random.categorical(logits, n, seed=seed), 0)
        mean, log_var = (ops.take(w, component, axis=0) for w in (self.means, self.log_vars))
        epsilon = normal(ops.shape(mean), seed)
        return mean + ops.exp(0.5 * log_var) * epsilon

    def get_config(self):
        return {**super().get_config(), "n_components": self.n_components}
