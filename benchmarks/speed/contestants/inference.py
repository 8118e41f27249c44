"""Reconstruction, x → mean code → mean image, from NumPy to NumPy.

Each factory takes the `Inputs` and returns a function of an array. A module
is imported by its factory, as a process has one of them.
"""

from collections.abc import Callable

from workloads import LEARNING_RATE, Inputs


def _keras_model(inputs):
    import keras

    from contestants.keras_vae_fit import build, set_weights

    vae = build(inputs.workload)
    set_weights(vae, inputs.weights)
    vae.compile(keras.optimizers.Adam(LEARNING_RATE))
    return vae


def keras_vae_reconstruct(inputs: Inputs) -> Callable:
    return _keras_model(inputs).reconstruct


def keras_vae_encode_decode(inputs: Inputs) -> Callable:
    vae = _keras_model(inputs)
    return lambda x: vae.decode(vae.encode(x))


def keras_predict(inputs: Inputs) -> Callable:
    vae = _keras_model(inputs)
    return lambda x: vae.predict(x, verbose=0)


def pythae_reconstruct(inputs: Inputs) -> Callable:
    """pythae's `reconstruct`, which decodes a draw in place of the mean."""
    import torch

    from contestants.pythae_train import build
    from contestants.torch_loop import images

    model = build(inputs.workload, inputs.weights).eval()

    def reconstruct(x):
        with torch.no_grad():
            return model.reconstruct(images(x)).cpu().numpy()

    return reconstruct


def torch_eager(inputs: Inputs) -> Callable:
    import torch

    from contestants.torch_loop import DEVICE, Model, images

    model = Model(inputs.workload)
    model.load(inputs.weights)
    model.to(DEVICE).eval()

    def reconstruct(x):
        with torch.inference_mode():
            codes = model.mean(model.encoder(images(x)))
            return torch.sigmoid(model.decoder(codes)).cpu().numpy()

    return reconstruct


def jax_jit(inputs: Inputs) -> Callable:
    import jax
    import numpy as np

    from contestants.hand_jax import forward

    workload = inputs.workload
    layers = (*workload.encoder, workload.heads[0], *workload.decoder)
    weights = jax.tree.map(jax.numpy.asarray, inputs.weights)
    compiled = jax.jit(lambda weights, x: jax.nn.sigmoid(forward(layers, weights, x, False)))
    return lambda x: np.asarray(compiled(weights, x))


def tensorflow_function(inputs: Inputs, jit_compile: bool) -> Callable:
    import tensorflow as tf

    from contestants.hand_tensorflow import forward

    workload = inputs.workload
    layers = (*workload.encoder, workload.heads[0], *workload.decoder)
    weights = {name: tf.Variable(weight) for name, weight in inputs.weights.items()}

    @tf.function(autograph=False, jit_compile=jit_compile)
    def compiled(x):
        return tf.sigmoid(forward(layers, weights, x))

    return lambda x: compiled(tf.convert_to_tensor(x)).numpy()
