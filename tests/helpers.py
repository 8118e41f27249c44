"""What several tests share: a small VAE, fixed noise and fixed weights."""

import keras
import numpy as np
import pytest

import keras_vae as kv

# Of what is the same on every backend: torch starts fast and compiles nothing.
on_one_backend = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="does not depend on the backend"
)
N_FEATURES, LATENT_DIM = 12, 3


@keras.saving.register_keras_serializable(package="tests")
class FixedNoise(keras.layers.Layer):
    """Stands in for a SampleLayer: the same noise for every sample and backend.

    Of several draws it is spread from -epsilon to epsilon.
    """

    def __init__(self, epsilon=0.5, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, inputs, n_samples=None):
        z_mean, z_log_var = inputs
        noise = keras.ops.exp(0.5 * z_log_var) * self.epsilon
        if n_samples is None:
            return z_mean + noise
        draws = np.linspace(-1.0, 1.0, n_samples, dtype="float32")
        draws = keras.ops.convert_to_tensor(draws.reshape(-1, *[1] * len(z_mean.shape)))
        return z_mean + draws * noise


to_numpy = keras.ops.convert_to_numpy


def assert_close(found, expected, rtol, size=None):
    """Compares to `rtol` of the largest number; one near zero is what a sum of such ones left.

    `size` is given where the numbers that were summed are larger than any that is expected:
    another processor sums in another order, and is off in their size.
    """
    largest = np.abs(expected if size is None else size).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * largest)


def assert_same_logs(found, expected, rtol):
    """Compares the logs of two runs or evaluations, each to `rtol` of the largest loss."""
    assert found.keys() == expected.keys()
    losses = [np.max(np.abs(v)) for name, v in expected.items() if name.endswith("loss")]
    for name, values in expected.items():
        np.testing.assert_allclose(
            found[name], values, rtol=0, atol=rtol * max(losses), err_msg=name
        )


def gradient(function, x):
    """Returns the gradient of the sum of `function(x)` with respect to the array `x`."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        x = tf.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return tape.gradient(value, x).numpy()
    if keras.backend.backend() == "jax":
        import jax

        total = jax.jit(jax.grad(lambda x: keras.ops.sum(function(x))))
        return to_numpy(total(keras.ops.array(x)))
    import torch

    x = torch.tensor(x, requires_grad=True)
    return torch.autograd.grad(function(x).sum(), x, retain_graph=True)[0].numpy()


def make_vae(optimizer=None, noise=None, **kwargs):
    """Returns a small compiled VAE of 12 binary features; `noise` fixes epsilon."""
    encoder = kwargs.pop("encoder", None)
    objective = kwargs.get("objective")
    is_without_kl = isinstance(objective, kv.objectives.Objective) and not objective.needs_kl
    posterior = "point" if is_without_kl else "diagonal_normal"
    network = kv.networks.DenseEncoder((8,))
    encoder = encoder or kv.VariationalEncoder(LATENT_DIM, network, posterior)
    if noise is not None:
        encoder.sampler = FixedNoise(noise)
    decoder = kwargs.pop("decoder", None) or kv.networks.DenseDecoder(N_FEATURES, (8,))
    compile_kwargs = kwargs.pop("compile_kwargs", {})
    vae = kv.VAE(encoder, decoder, **kwargs)
    vae.compile(optimizer or keras.optimizers.Adam(1e-2), **compile_kwargs)
    return vae


def set_same_weights(layer, seed=0):
    """Gives a built layer weights that are the same on each backend."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(scale=0.5, size=w.shape) for w in layer.get_weights()])
