"""SampleLayer: draws latent codes with the reparameterization trick."""

import functools

from keras import ops

from keras_vae.backend import normal, normal_draws
from keras_vae.saving.registry import serializable
from keras_vae.saving.seeded_layer import SeededLayer
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import is_count, plain


@serializable(old="SampleLayer")
class SampleLayer(SeededLayer):
    """Draws `z = z_mean + exp(0.5 * z_log_var) * epsilon`, `epsilon ~ N(0, I)`.

    The gradient flows through `z_mean` and `z_log_var`, not through the noise.
    It computes in float32 whatever the dtype policy.

    Args:
        n_samples: number of draws per input. `None` gives one draw without a
            samples axis.
        seed: an integer, or `None` for a seed that
            `keras.utils.set_random_seed` controls.

    Call arguments:
        inputs: `(z_mean, z_log_var)`, each of shape `(batch, latent_dim)`.
        n_samples: overrides the layer's own `n_samples` for this call.

    Returns:
        Shape `(batch, latent_dim)`, or `(n_samples, batch, latent_dim)`.

    Raises:
        ValueError: if `n_samples` is not a positive integer, or the two
            inputs differ in shape.

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, section 2.4.

    Example:
        >>> z = SampleLayer()((z_mean, z_log_var))
        >>> ten_per_input = SampleLayer(n_samples=10)((z_mean, z_log_var))
    """

    def __init__(self, n_samples: int | None = None, seed: int | None = None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        self.n_samples = _check_n_samples(n_samples)

    def build(self, input_shape) -> None:
        mean_shape, log_var_shape = input_shape
        if tuple(mean_shape) != tuple(log_var_shape):
            raise ValueError(
                "SampleLayer takes (z_mean, z_log_var) of one shape; received "
                f"shapes {tuple(mean_shape)} and {tuple(log_var_shape)}."
            )

    def call(self, inputs, n_samples=None) -> Tensor:
        z_mean, z_log_var = inputs
        n_samples = self.n_samples if n_samples is None else _check_n_samples(n_samples)
        noise = normal if n_samples is None else functools.partial(normal_draws, n_samples)
        epsilon = noise(ops.shape(z_mean), self.seed_generator, z_mean.dtype)
        return z_mean + ops.exp(0.5 * z_log_var) * epsilon

    def get_config(self) -> dict:
        return {**super().get_config(), "n_samples": self.n_samples}


def _check_n_samples(n_samples):
    if n_samples is not None and not is_count(n_samples):
        raise ValueError(f"n_samples must be a positive integer or None; received {n_samples!r}.")
    return plain(n_samples)
