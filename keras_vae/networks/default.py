"""The encoder network that is taken where none is given."""

import keras

from keras_vae.networks.conv import ConvEncoder
from keras_vae.networks.dense import DenseEncoder


class DefaultEncoder(keras.layers.Layer):
    """Holds the place of a default network, whose kind the data's rank decides.

    Keras orders the state of optimizers by when layers are made: a place that is there
    from the start keeps that order the same before saving and after loading.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.network: ConvEncoder | DenseEncoder | None = None

    def build(self, input_shape) -> None:
        self.network = default_encoder(len(input_shape))


def default_encoder(rank: int) -> ConvEncoder | DenseEncoder:
    """Returns the encoder network for data of `rank` dimensions, batch included.

    Raises:
        ValueError: if the rank is not 2, 3 or 4.
    """
    if rank == 4:
        return ConvEncoder()
    if rank in (2, 3):
        return DenseEncoder()
    raise ValueError(
        f"There is no default network for inputs of rank {rank}. Pass network=..., a Keras "
        "layer or model; inputs of rank 2 and 3 (vectors, sequences) and 4 (images) have one."
    )
