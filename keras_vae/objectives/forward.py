"""Forward: what an objective is computed from."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Forward(NamedTuple):
    """One forward pass of a batch, and the parts that judge it.

    Attributes:
        x: the data, `(batch, *input_features)`.
        target: what is to be reconstructed, `(batch, *target_features)`.
        params: the decoder's output for `z`.
        z: draws of the posterior, `(batch, latent_dim)` or
            `(n_samples, batch, latent_dim)`.
        posterior, prior, likelihood: the three distributions.
        sample_weight: shape `(batch,)`, summing to 1.
        decode: the decoder once more, from codes shaped as `z` to params.
        step: the training step, where the objective `needs_step`.
        data_size: number of samples in the data set, where it `needs_data_size`.
        training: the mode in which the step's layers run: whoever calls one says it.
    """

    x: Any
    target: Any
    params: Any
    z: Any
    posterior: Any
    prior: Any
    likelihood: Any
    sample_weight: Any
    decode: Callable
    step: Any = None
    data_size: Any = None
    training: bool = False
