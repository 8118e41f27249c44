"""The log-likelihood of data under a trained model, by importance sampling."""

import itertools
import math
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_vae.conditions import NOTHING
from keras_vae.evaluation.importance import WeightSums, log_sums, n_that_fit
from keras_vae.reading.inference_data import InferenceData, padded
from keras_vae.validation.arguments import check_count
from keras_vae.validation.arrays import check_array


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
    vae,
    x,
    n_samples: int = 5000,
    y=None,
    seed: int | None = None,
    batch_size: int = 100,
    condition=None,
) -> LogLikelihood:
    """Estimates log p(x) = log E_q[p(x|z) p(z) / q(z|x)] with draws of the posterior.

    With a condition all is given c: log p(x|c).

    The draws come in chunks that fit the memory; the result does not depend on
    it. In expectation it is a lower bound, the tighter the more draws.

    Args:
        vae: a built VAE; any posterior, prior and likelihood.
        x: data, `(n, *features)`, or a stream of batches, of which no more than one is kept.
        n_samples: draws per input.
        y: the target, where it is not x; a stream of `(x, y)` brings its own.
        seed: makes the draws repeatable.
        batch_size: inputs per compiled call.
        condition: what is given beside x, one for all rows or one for each.

    Returns:
        The estimates and their effective sample sizes.

    Raises:
        ValueError: if the model is not built, x not of its shape, `n_samples` not
            positive, or the posterior a point, which has no density.

    Reference:
        Burda et al., "Importance weighted autoencoders", 2016, section 5
        (k = 5,000 draws).
    """
    vae.check_built("estimate log_likelihood")
    vae.check_has_density("estimate log_likelihood")
    n_samples = check_count("n_samples", n_samples)
    batch_size = check_count("batch_size", batch_size)
    data = InferenceData(
        "log_likelihood",
        x,
        vae.input_features,
        y,
        vae.target_features,
        partial(_check, vae),
        condition,
        vae.beside(inference=True).read,
    )
    batches = data.batches(batch_size)
    first = next(batches)
    batch_size = len(first["x"])
    n_chunks = math.ceil(n_samples / n_that_fit(batch_size, vae.target_features, vae))
    chunk = math.ceil(n_samples / n_chunks)
    log_weights = vae.compiled_inference.compile(
        f"log_weights of {chunk} draws",
        vae.of_inputs(partial(_log_weights, vae, chunk)),
        tuple(first),
    )
    if seed is None:
        seed = int(keras.random.randint((), 0, 2**31 - 1))
    estimates, sizes = [], []
    state = vae.evaluation_seed.state
    for number, batch in enumerate(itertools.chain([first], batches)):
        n, start = len(batch["x"]), number * batch_size
        arrays = [padded(array, batch_size) for array in batch.values()]
        sums = WeightSums(batch_size)
        for i in range(n_chunks):
            words = seed_words(seed, start * n_chunks + i)
            state.assign(ops.convert_to_tensor(words, dtype=state.dtype))
            # The last chunk may hold more draws than are left.
            log_w = log_weights(*arrays)[: n_samples - i * chunk].astype("float64")
            sums.add(*log_sums(log_w, axis=0))
        estimates.append((sums.log_sum - math.log(n_samples))[:n])
        sizes.append(sums.effective_sample_size()[:n])
    return LogLikelihood(np.concatenate(estimates), np.concatenate(sizes))


def seed_words(seed: int, number: int) -> list[int]:
    """Returns the state of a generator for the chunk of a number, of any size: two of 31 bits."""
    high, low = divmod(number, 2**31)
    return [seed ^ high, low]


def _check(vae, x, y=None):
    missing = vae.likelihood.takes_missing
    for name, array in (("x", x), ("y", y)):
        if array is not None:
            check_array(name, array, allow_nan=missing)
    vae.check_target(x, y)


def _log_weights(vae, n, x, y=None, given=NOTHING):
    """Returns log p(y|z) p(z) / q(z|x) of `n` draws, `(n, batch)`."""
    posterior = vae.posterior(x, given=given)
    z, log_qz = posterior.sample_and_log_prob(n, seed=vae.evaluation_seed)
    log_px = vae.likelihood.log_prob(x if y is None else y, vae.params_given(z, given=given))
    return log_px + vae.prior.given(given).log_prob(z) - log_qz
