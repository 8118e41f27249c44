"""Critics: the networks that penalties train beside the model."""

import keras
from keras import ops

from keras_vae.networks import DenseDecoder
from keras_vae.typing import Tensor


def critic(network: keras.layers.Layer | None, units: int, n_layers: int) -> keras.layers.Layer:
    """Returns the network that a user gave, or dense layers with leaky ReLUs to one number.

    The latter are float32 whatever the dtype policy.

    Raises:
        TypeError: if `network` is something else.
    """
    if network is None:
        return DenseDecoder(1, (units,) * n_layers, "leaky_relu", dtype="float32")
    if not isinstance(network, keras.layers.Layer):
        raise TypeError(f"network must be a Keras layer or model, or None; received {network!r}.")
    return network


def score(output) -> Tensor:
    """Returns a critic's output, `(batch, 1)`, as `(batch,)` in float32."""
    return ops.cast(output[:, 0], "float32")


def one_draw(z) -> Tensor:
    """Returns z, `(batch, latent_dim)`, the first of several draws."""
    return z[0] if len(z.shape) == 3 else z
