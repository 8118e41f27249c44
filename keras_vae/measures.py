"""What a trained model is worth: its log-likelihood and how much of its code is in use."""

import itertools
import math
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_vae.arguments import check_count
from keras_vae.parts import posterior_class
from keras_vae.priors import StandardNormal
from keras_vae.training import checks
from keras_vae.training.inference_data import InferenceData

# Params of one compiled call, in numbers: about 16 MB of float32 per layer of the decoder.
MAX_PARAMS = 2**22


class LogLikelihood(NamedTuple):
    """An estimate per input.

    Attributes:
        log_likelihood: log p(x) in nats, of shape `(n,)`.
        effective_sample_size: (Σw)² / Σw², from 1 to the number of draws, of
            shape `(n,)`. A small one says that a few draws decide, and that the
            estimate is likely too low.
    """

    log_likelihood: np.ndarray
    effective_sample_size: np.ndarray


def log_likelihood(
    vae, x, n_samples: int = 5000, y=None, seed: int | None = None, batch_size: int = 100
) -> LogLikelihood:
    """Estimates log p(x) = log E_q[p(x|z) p(z) / q(z|x)] with draws of the posterior.

    The draws come in chunks that fit the memory; the result does not depend on
    it. In expectation it is a lower bound, the tighter the more draws.

    Args:
        vae: a built VAE; any posterior, prior and likelihood.
        x: data, `(n, *features)`, or a stream of batches, of which no more than one is kept.
        n_samples: draws per input.
        y: the target, where it is not x; a stream of `(x, y)` brings its own.
        seed: makes the draws repeatable.
        batch_size: inputs per compiled call.

    Returns:
        The estimates and their effective sample sizes.

    Raises:
        ValueError: if the model is not built, x not of its shape, or `n_samples`
            not positive.

    Reference:
        Burda et al., "Importance weighted autoencoders", 2016, section 5
        (k = 5,000 draws).
    """
    vae.check_built("estimate log_likelihood")
    n_samples = check_count("n_samples", n_samples)
    batch_size = check_count("batch_size", batch_size)
    data = InferenceData(
        "log_likelihood", x, vae.input_features, y, vae.target_features, partial(_check, vae)
    )
    batches = data.batches(batch_size)
    first = next(batches)
    batch_size = len(first[0])
    per_draw = batch_size * max(1024, math.prod(vae.target_features))
    n_chunks = math.ceil(n_samples / max(1, MAX_PARAMS // per_draw))
    chunk = math.ceil(n_samples / n_chunks)
    log_weights = vae.compiled_inference.compile(
        f"log_weights of {chunk} draws", lambda x, y=None: _log_weights(vae, x, y, chunk)
    )
    if seed is None:
        seed = int(keras.random.randint((), 0, 2**31 - 1))
    estimates, sizes = [], []
    state = vae.evaluation_seed.state
    for number, batch in enumerate(itertools.chain([first], batches)):
        n, start = len(batch[0]), number * batch_size
        batch = [checks.padded(array, batch_size) for array in batch]
        log_sum, log_square_sum = -np.inf, -np.inf
        for i in range(n_chunks):
            state.assign(ops.convert_to_tensor([seed, start * n_chunks + i], dtype=state.dtype))
            # The last chunk may hold more draws than are left.
            log_w = log_weights(*batch)[: n_samples - i * chunk].astype("float64")
            log_sum = np.logaddexp(log_sum, np.logaddexp.reduce(log_w, axis=0))
            squares = np.logaddexp.reduce(2.0 * log_w, axis=0)
            log_square_sum = np.logaddexp(log_square_sum, squares)
        estimates.append((log_sum - math.log(n_samples))[:n])
        sizes.append(np.exp(2.0 * log_sum - log_square_sum)[:n])
    return LogLikelihood(np.concatenate(estimates), np.concatenate(sizes))


def _check(vae, x, y=None):
    missing = getattr(vae.likelihood, "takes_missing", False)
    for name, array in (("x", x), ("y", y)):
        if array is not None:
            checks.check_array(name, array, allow_nan=missing)
    checks.check_target(vae, x, y)
    if y is None:
        checks.warn_of_target(vae)


def _log_weights(vae, x, y, n):
    """log p(y|z) p(z) / q(z|x) of `n` draws, `(n, batch)`."""
    posterior = vae.posterior(x)
    z, log_qz = posterior.sample_and_log_prob(n, seed=vae.evaluation_seed)
    log_px = vae.likelihood.log_prob(x if y is None else y, vae.params_given(z))
    return log_px + vae.prior.log_prob(z) - log_qz


def active_units(vae, x, threshold: float = 0.01, batch_size: int = 128) -> int:
    """Counts the latent dimensions whose code varies with x: Var_x(E[z|x]) > threshold·Var_p(z).

    Args:
        vae: a built VAE.
        x: data, `(n, *features)`.
        threshold: a variance, in units of that of the prior in each dimension:
            1 for the standard normal, else that of 1,000 draws.
        batch_size: inputs per compiled call.

    Reference:
        Burda et al., "Importance weighted autoencoders", 2016, section 5.2.
    """
    means = _posterior_means(vae, x, batch_size)
    return int((means.var(axis=0) > threshold * _prior_variance(vae.prior)).sum())


def _posterior_means(vae, x, batch_size):
    posterior = posterior_class(vae.encoder)
    if posterior.support == "real" or not hasattr(posterior, "mean"):
        return vae.encode(x, batch_size)
    # A code on the sphere has a direction even where it says nothing.
    return vae.compiled_inference(
        "active_units", lambda x: vae.posterior(x).mean(), x, vae.input_features, batch_size
    )


def _prior_variance(prior):
    if type(prior) is StandardNormal:
        return 1.0
    return ops.convert_to_numpy(prior.sample(1000, seed=0)).var(axis=0)


def has_kl_per_dimension(vae) -> bool:
    """Returns whether the KL of a built VAE has a closed form per latent dimension."""
    posterior = vae.posterior(ops.zeros((1, *vae.input_features)))
    return _kl_per_dimension(posterior, vae.prior) is not None


def _kl_per_dimension(posterior, prior):
    return getattr(posterior, "kl_divergence_per_dimension", lambda prior: None)(prior)


def kl_per_dimension(vae, x, batch_size: int = 128) -> np.ndarray:
    """Returns the KL of each latent dimension, averaged over x, `(latent_dim,)`, in nats.

    Args:
        vae: a built VAE with a normal posterior and the standard normal prior.
        x: data, `(n, *features)`.
        batch_size: inputs per compiled call.

    Raises:
        ValueError: if the KL has no closed form per dimension.
    """

    def per_dimension(x):
        posterior = vae.posterior(x)
        kl = _kl_per_dimension(posterior, vae.prior)
        if kl is None:
            raise ValueError(
                f"The KL of a {type(posterior).__name__} to a {type(vae.prior).__name__} has no "
                "closed form per dimension; a normal posterior with the standard normal prior has. "
                "active_units works for every model."
            )
        return kl

    kl = vae.compiled_inference(
        "kl_per_dimension", per_dimension, x, vae.input_features, batch_size
    )
    return kl.mean(axis=0)
