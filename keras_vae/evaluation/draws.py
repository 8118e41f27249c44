"""Draws of a trained model, by seed: codes of q(z|x) and data of p(x|z), and how wide q(z|x) is."""

import math
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_vae.backend import synchronizer
from keras_vae.distributions.seeds import GivenSeed
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_count

# Numbers that the draws of one compiled call may hold: 16 MB of float32.
_MAX_DRAWN = 2**22


class EncodedDistribution(NamedTuple):
    """q(z|x) of each input.

    Attributes:
        z_mean: the code of x without randomness, `(n, *latent_shape)`, as `encode` gives it.
        z_std: the standard deviation of each latent dimension, of the same shape.
        params: the posterior's parameters by name, each of shape `(n, ...)`.
    """

    z_mean: np.ndarray
    z_std: np.ndarray
    params: dict[str, np.ndarray]


def z_given(vae, x, seed) -> Tensor:
    """Returns a draw of q(z|x) per row of the tensor x, `(batch, *latent_shape)`."""
    return vae.posterior(x).sample(1, GivenSeed(seed))[0]


def x_given(vae, z, seed) -> Tensor:
    """Returns a draw of p(x|z) per row of the tensor z, `(batch, *features)`."""
    return ops.cast(vae.likelihood.sample(vae.params_given(z), seed=GivenSeed(seed)), "float32")


def encode(vae, x, seed: int | None, batch_size: int) -> np.ndarray:
    """Draws a code of q(z|x) per row of the array x, see `VAE.encode`."""

    def drawn(x, seed):
        return z_given(vae, x, seed)

    return _by_batches(vae, "encode", drawn, x, vae.input_features, batch_size, _seeds("z", seed))


def decode(vae, z, seed: int | None, batch_size: int) -> np.ndarray:
    """Draws from p(x|z) per row of the array z, see `VAE.decode`."""

    def drawn(z, seed):
        return x_given(vae, z, seed)

    check_can_draw(vae.likelihood)
    return _by_batches(vae, "decode", drawn, z, vae.latent_shape, batch_size, _seeds("x", seed))


def reconstruct(vae, x, seed: int | None, batch_size: int) -> np.ndarray:
    """Draws from p(x|z) at the code of each row of the array x, see `VAE.reconstruct`."""

    def drawn(x, seed):
        return x_given(vae, vae.posterior_mean(x), seed)

    check_can_draw(vae.likelihood)
    seeds = _seeds("x", seed)
    return _by_batches(vae, "reconstruct", drawn, x, vae.input_features, batch_size, seeds)


def _by_batches(vae, name, function, x, features, batch_size, seeds):
    name = f"{name} with a draw"
    vae.check_built(name)
    return vae.compiled_inference(name, function, x, features, batch_size, seeds=seeds)


def encode_distribution(
    vae, x, n_samples: int, seed: int | None, batch_size: int
) -> EncodedDistribution:
    """Returns z_mean, z_std and the parameters of q(z|x), see `VAE.encode_distribution`."""
    vae.check_built("encode")
    n_samples = check_count("n_samples", n_samples)
    synchronizer(vae)()
    one = ops.zeros((1, *vae.input_features))
    shapes = {name: tuple(value.shape[1:]) for name, value in vae.posterior_params(one).items()}
    if "std" not in vae.posterior(one).closed_forms:
        # A flow's networks may be wider than its codes.
        batch_size = min(batch_size, max(1, _MAX_DRAWN // (n_samples * max(128, vae.latent_dim))))

    def joined(x, seed):
        params = vae.posterior_params(x)
        std = _std(vae.posterior(x), n_samples, seed)
        # As one array, which is what a compiled function returns.
        flat = [ops.reshape(value, (ops.shape(x)[0], -1)) for value in (std, *params.values())]
        return ops.concatenate([ops.cast(value, "float32") for value in flat], axis=-1)

    found = vae.compiled_inference(
        f"encode_distribution of {n_samples} draws",
        joined,
        x,
        vae.input_features,
        batch_size,
        seeds=_seeds("z", seed),
    )
    sizes = [vae.latent_dim, *(math.prod(shape) for shape in shapes.values())]
    std, *flat = np.split(found, np.cumsum(sizes)[:-1], axis=-1)
    params = {
        name: value.reshape(-1, *shape)
        for (name, shape), value in zip(shapes.items(), flat, strict=True)
    }
    return EncodedDistribution(params["z_mean"], std.reshape(-1, *vae.latent_shape), params)


def _std(posterior, n_samples, seed):
    if "std" in posterior.closed_forms:
        return posterior.std()
    return ops.std(posterior.sample(n_samples, GivenSeed(seed)), axis=0)


def check_seed(draw: bool, seed: int | None) -> None:
    """Raises a ValueError for a seed without a draw, which would change nothing."""
    if seed is not None and not draw:
        raise ValueError(
            f"seed={seed!r} has no effect without a draw. Pass draw=True too, or no seed for the "
            "result without randomness."
        )


def check_can_draw(likelihood) -> None:
    """Raises a ValueError if the likelihood has no draws."""
    if not likelihood.can_draw:
        likelihood.sample(None)  # says why


def fresh_seed() -> int:
    """Returns a seed that `keras.utils.set_random_seed` controls, and no layer's draws share."""
    return int(keras.random.randint((), 0, 2**31 - 1))


def _seeds(stream: str, seed: int | None) -> Callable[[int], np.ndarray]:
    """Returns the seeds of the batches of one call, by the batch's number.

    They are mixed, so that neither two batches, nor z and x drawn by one seed,
    nor neighbouring seeds share their noise.
    """
    seed = fresh_seed() if seed is None else int(seed)
    entropy = [seed % 2**64, *stream.encode()]

    def seed_of(batch: int) -> np.ndarray:
        words = np.random.SeedSequence([*entropy, batch]).generate_state(2)
        return (words >> 2).astype("int32")

    return seed_of
