"""Several arrays of one compiled function of a trained model."""

import math
from collections.abc import Callable

import numpy as np
from keras import ops

from keras_vae.backend import synchronizer


def arrays_by_name(
    vae, name: str, function: Callable, x, batch_size: int, condition=None, seeds=None
) -> dict[str, np.ndarray]:
    """Applies a function that gives tensors by name, in batches.

    Args:
        vae: a built VAE.
        name: what the function is called in errors, and compiled under.
        function: from x, a seed where there are `seeds`, and `given`, to a dict of
            tensors, each with the batch of x.
        x: data, `(n, *features)`, in any form.
        batch_size: rows per compiled call.
        condition: what is given beside x.
        seeds: from the number of a batch to its seed.

    Returns:
        An array for each tensor, with n rows, float32.
    """
    synchronizer(vae)()
    one = ops.zeros((1, *vae.input_features))
    seed = () if seeds is None else (seeds(0),)
    found = function(one, *seed, given=vae.given_of_nobody())
    shapes = {key: tuple(value.shape[1:]) for key, value in found.items()}

    def joined(x, *seed, given):
        # As one array, which is what a compiled function returns.
        tensors = function(x, *seed, given=given).values()
        flat = [ops.reshape(value, (ops.shape(x)[0], -1)) for value in tensors]
        return ops.concatenate([ops.cast(value, "float32") for value in flat], axis=-1)

    rows = vae.compiled_inference(
        name,
        vae.of_inputs(joined),
        x,
        vae.input_features,
        batch_size,
        seeds=seeds,
        condition=condition,
    )
    sizes = [math.prod(shape) for shape in shapes.values()]
    parts = np.split(rows, np.cumsum(sizes)[:-1], axis=-1)
    return {
        key: part.reshape(-1, *shape)
        for (key, shape), part in zip(shapes.items(), parts, strict=True)
    }
