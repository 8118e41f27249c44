"""Networks to start from: ordinary Keras layers, mirror images of each other."""

from keras_vae.networks.conv import ConvDecoder, ConvEncoder
from keras_vae.networks.dense import DenseDecoder, DenseEncoder

__all__ = ["ConvDecoder", "ConvEncoder", "DenseDecoder", "DenseEncoder", "default_encoder"]


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
