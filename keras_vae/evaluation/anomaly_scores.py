"""Scores of how strange x is to a trained model, and what each feature has to do with it."""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_vae.conditions import NOTHING
from keras_vae.evaluation.importance import n_that_fit


class Draws(NamedTuple):
    """How z is drawn for a score that draws it.

    Attributes:
        n: draws per input.
        seed: of these draws. All rows have the same noise, so that the score of a row does not
            depend on the others.
    """

    n: int = 100
    seed: int = 0


def score(vae, x, y, condition, draws: Draws, batch_size: int) -> np.ndarray:
    """Returns `-vae.score(x)`, `(n,)`, in nats: one pass, without draws."""
    return -vae.score(x, y, batch_size, condition=condition)


def error(vae, x, y, condition, draws: Draws, batch_size: int) -> np.ndarray:
    """Returns the mean squared error of the reconstruction over observed features, `(n,)`."""
    function = partial(_error, vae)
    return by_batches(vae, "error", function, x, y, condition, batch_size)


def reconstruction_probability(vae, x, y, condition, draws: Draws, batch_size: int) -> np.ndarray:
    """Returns -E_q[log p(x|z)], `(n,)`, in nats, the mean over draws of z.

    Reference:
        An & Cho, "Variational autoencoder based anomaly detection using reconstruction
        probability", 2015, algorithm 4.
    """
    function = partial(_reconstruction_probability, vae, draws)
    name = f"reconstruction_probability of {draws.n} draws by {draws.seed}"
    return by_batches(vae, name, function, x, y, condition, _rows(vae, draws, batch_size))


def log_likelihood(vae, x, y, condition, draws: Draws, batch_size: int) -> np.ndarray:
    """Returns -log p(x), `(n,)`, in nats, by importance sampling as `vae.log_likelihood`."""
    vae.check_has_density("estimate log_likelihood")
    function = partial(_negative_log_likelihood, vae, draws)
    name = f"negative_log_likelihood of {draws.n} draws by {draws.seed}"
    return by_batches(vae, name, function, x, y, condition, _rows(vae, draws, batch_size))


# Each is higher for stranger x.
SCORES = {
    "score": score,
    "log_likelihood": log_likelihood,
    "reconstruction_probability": reconstruction_probability,
    "error": error,
}


def score_per_feature(vae, x, y=None, batch_size: int = 128, condition=None) -> np.ndarray:
    """Returns log p of each feature at the posterior mean, see `VAE.score_per_feature`."""
    if not vae.likelihood.comes_apart:
        raise ValueError(
            f"log p(x|z) of a {type(vae.likelihood).__name__} does not come apart into features. "
            "Subclass keras_vae.likelihoods.Likelihood with log_prob_per_feature instead."
        )
    function = partial(_log_prob_of_features, vae)
    return by_batches(vae, "score_per_feature", function, x, y, condition, batch_size)


def by_batches(vae, name, function, x, y, condition, batch_size) -> np.ndarray:
    """Returns what a function of x, a target or `None`, and `given` gives for all rows."""
    vae.check_built(name)
    return vae.compiled_inference(
        name,
        vae.of_inputs(function),
        x,
        vae.input_features,
        batch_size,
        y=y,
        target_features=vae.target_features,
        check=vae.check_target,
        condition=condition,
    )


def _rows(vae, draws, batch_size):
    """Returns rows of a compiled call, so that its draws fit the memory."""
    return min(batch_size, n_that_fit(draws.n, vae.target_features, vae))


def _log_prob_of_features(vae, x, y=None, given=NOTHING):
    params = vae.params_given(vae.posterior_mean(x, given=given), given=given)
    return vae.likelihood.log_prob_of_features(x if y is None else y, params)


def _error(vae, x, y=None, given=NOTHING):
    target = ops.cast(x if y is None else y, "float32")
    mean = ops.cast(vae.mean_given(vae.posterior_mean(x, given=given), given=given), "float32")
    observed = ops.logical_not(ops.isnan(target))
    squares = ops.where(observed, ops.square(target - mean), 0.0)
    axes = tuple(range(1, len(target.shape)))
    count = ops.sum(ops.cast(observed, "float32"), axis=axes)
    return ops.sum(squares, axis=axes) / ops.maximum(count, 1.0)


def _draw(posterior, draws):
    """Returns z, `(n, batch, *latent_shape)`, and log q(z|x), `(n, batch)`, of the same noise."""
    mean, log_var = posterior.base()
    shape = (draws.n, 1, *posterior.event_shape)
    # NumPy's, so that backends have the same noise.
    noise = np.random.default_rng(draws.seed).standard_normal(shape).astype("float32")
    return posterior.from_base(mean + ops.exp(0.5 * log_var) * ops.convert_to_tensor(noise))


def _reconstruction_probability(vae, draws, x, y=None, given=NOTHING):
    z, _ = _draw(vae.posterior(x, given=given), draws)
    target = x if y is None else y
    log_prob = vae.likelihood.log_prob(target, vae.params_given(z, given=given))
    return -ops.mean(log_prob, axis=0)


def _negative_log_likelihood(vae, draws, x, y=None, given=NOTHING):
    z, log_qz = _draw(vae.posterior(x, given=given), draws)
    target = x if y is None else y
    log_px = vae.likelihood.log_prob(target, vae.params_given(z, given=given))
    log_weights = log_px + vae.prior.given(given).log_prob(z) - log_qz
    return math.log(draws.n) - ops.logsumexp(log_weights, axis=0)
