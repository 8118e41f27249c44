"""Draws of a trained model, by seed: codes of q(z|x) and data of p(x|z), and how wide q(z|x) is."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_vae import encoders
from keras_vae.conditions import NOTHING
from keras_vae.distributions.seeds import GivenSeed
from keras_vae.evaluation.by_name import arrays_by_name
from keras_vae.priors import ConditionalPrior
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


def z_given(vae, x, seed, given=NOTHING) -> Tensor:
    """Returns a draw of q(z|x) per row of the tensor x, `(batch, *latent_shape)`."""
    return vae.posterior(x, given=given).sample(1, GivenSeed(seed))[0]


def x_given(vae, z, seed, given=NOTHING) -> Tensor:
    """Returns a draw of p(x|z) per row of the tensor z, `(batch, *features)`."""
    params = vae.params_given(z, given=given)
    return ops.cast(vae.likelihood.sample(params, seed=GivenSeed(seed)), "float32")


def codes(vae, n: int, seed: int | None, condition=None) -> Tensor:
    """Returns n draws of the prior, `(n, *latent_shape)`, each for its row of the condition."""
    rows = vae.beside(inference=True, main="z").read({"condition": condition}, n)
    if not isinstance(vae.prior, ConditionalPrior):
        return vae.prior.sample(n, seed=seed)
    given = vae.condition.given(vae.condition.as_tree(rows))
    return vae.prior.given(given).sample_rows(1, n, seed)


def warn_of_prior(vae) -> None:
    """Warns where codes are drawn of a prior that nothing drew those of data to."""
    if vae.objective.needs_kl or vae.objective.penalties or vae.prior.weights:
        return
    warnings.warn(
        f"Nothing has drawn the codes to the {type(vae.prior).__name__} that is sampled here. "
        "Fit a prior to them: vae.fit_prior(x, keras_vae.priors.GaussianMixture(10)).",
        stacklevel=3,
    )


def encode(vae, x, seed: int | None, batch_size: int, condition=None) -> np.ndarray:
    """Draws a code of q(z|x) per row of the array x, see `VAE.encode`."""
    drawn = partial(z_given, vae)
    how = {"seeds": seeds("z", seed), "condition": condition}
    return _by_batches(vae, "encode", drawn, x, vae.input_features, batch_size, **how)


def decode(vae, z, seed: int | None, batch_size: int, condition=None) -> np.ndarray:
    """Draws from p(x|z) per row of the array z, see `VAE.decode`."""
    check_can_draw(vae.likelihood)
    drawn = partial(x_given, vae)
    how = {"seeds": seeds("x", seed), "condition": condition, "main": "z"}
    return _by_batches(vae, "decode", drawn, z, vae.latent_shape, batch_size, **how)


def reconstruct(vae, x, seed: int | None, batch_size: int, condition=None) -> np.ndarray:
    """Draws from p(x|z) at the code of each row of the array x, see `VAE.reconstruct`."""

    def drawn(x, seed, given):
        return x_given(vae, vae.posterior_mean(x, given=given), seed, given)

    check_can_draw(vae.likelihood)
    how = {"seeds": seeds("x", seed), "condition": condition}
    return _by_batches(vae, "reconstruct", drawn, x, vae.input_features, batch_size, **how)


def _by_batches(vae, name, function, x, features, batch_size, main="x", **how):
    name = f"{name} with a draw"
    vae.check_built(name)
    function = vae.of_inputs(function, main)
    return vae.compiled_inference(name, function, x, features, batch_size, main=main, **how)


def encode_distribution(
    vae, x, n_samples: int, seed: int | None, batch_size: int, condition=None
) -> EncodedDistribution:
    """Returns z_mean, z_std and the parameters of q(z|x), see `VAE.encode_distribution`."""
    vae.check_built("encode")
    n_samples = check_count("n_samples", n_samples)
    if "std" not in encoders.get(vae.encoder).posterior_class.closed_forms:
        # A flow's networks may be wider than its codes.
        batch_size = min(batch_size, max(1, _MAX_DRAWN // (n_samples * max(128, vae.latent_dim))))

    def posteriors(x, seed, given):
        params = vae.posterior_params(x, given=given)
        # Of a name that no head can take, as it is none of an attribute.
        return {" std": _std(vae.posterior(x, given=given), n_samples, seed), **params}

    name = f"encode_distribution of {n_samples} draws"
    params = arrays_by_name(vae, name, posteriors, x, batch_size, condition, seeds("z", seed))
    std = params.pop(" std")
    return EncodedDistribution(params["z_mean"], std, params)


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


def seeds(stream: str, seed: int | None) -> Callable[[int], np.ndarray]:
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
