"""Imputation: fills what is missing of data by what a trained model makes of the rest."""

import math
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_vae.conditions import NOTHING
from keras_vae.distributions.seeds import GivenSeed
from keras_vae.evaluation import draws
from keras_vae.evaluation.likelihood import MAX_PARAMS
from keras_vae.reading.forms import has_rows, in_memory
from keras_vae.reading.inference_data import InferenceData, padded
from keras_vae.validation.arguments import check_count
from keras_vae.validation.arrays import check_array


class Imputation(NamedTuple):
    """Data without holes, and how far it is to be trusted.

    Attributes:
        filled: `(n, *features)`, or `(n_imputations, n, *features)`.
        effective_sample_size: (Σw)² / Σw² of each row's draws, from 1 to their number,
            `(n,)`. A small one says that a few draws decide. Of rows without holes,
            which need no draws, it is their number.
    """

    filled: np.ndarray
    effective_sample_size: np.ndarray


def impute(
    vae,
    x,
    n_samples: int = 1000,
    n_imputations: int | None = None,
    seed: int | None = 0,
    batch_size: int = 100,
    condition=None,
    return_ess: bool = False,
) -> np.ndarray | Imputation:
    """Fills the holes (NaN) of x with E[x_m | x_o], or with draws of p(x_m | x_o).

    Draws z of q(z|x_o) are weighted by w = p(x_o|z) p(z) / q(z|x_o), which makes them
    draws of p(z|x_o) whatever the encoder missed: x_o is what was observed of a row, x_m
    the rest. A row of which nothing was observed is that of p(z). This assumes that a
    value is missing at random, whatever it would have been.

    Single imputation, the default, is the weighted mean of E[x_m|z], which has the least
    squared error: a probability for a Bernoulli, any number above 0 for counts. Of
    categories it is the likeliest, one-hot. It understates how much data varies. Multiple
    imputation draws z by its weight and x of p(x|z), with all the noise and in the data's
    coding, 0 or 1 and whole counts: do the analysis on each, and compare.

    Args:
        vae: a built VAE whose likelihood is a `keras_vae.likelihoods.Masked`; any
            posterior, prior and condition.
        x: data, `(n, *features)`, or a stream of batches; NaN marks what is missing. The
            places of a category are missing together.
        n_samples: draws of z per row.
        n_imputations: how many times to fill each hole by a draw; `None` for the mean.
        seed: makes the result repeatable, with the same `batch_size` on the same
            backend; `None` draws anew.
        batch_size: rows per compiled call.
        condition: what is given beside x, one for all rows or one for each.
        return_ess: whether to return an `Imputation`, which has the effective sample size.

    Returns:
        `(n, *features)`, or with `n_imputations` `(n_imputations, n, *features)`, in the
        dtype of x. Observed values are those of x, bit for bit; those of streams as float32.

    Raises:
        ValueError: if the likelihood takes no missing values, has no draws and is to
            draw, nothing of x was observed, or x is not of the model's shape.

    Reference:
        Mattei & Frellsen, "MIWAE: deep generative modelling and imputation of
        incomplete data sets", 2019, section 3.3. Their bound to train by is
        `keras_vae.objectives.IWAE` with `Masked`; `objectives.MIWAE` is another one,
        of Rainforth et al., 2018.

    Example:
        >>> filled = impute(vae, x, n_samples=10_000)
        >>> low, high = np.quantile(impute(vae, x, n_imputations=200), [0.05, 0.95], axis=0)
    """
    vae.check_built("impute")
    _check_model(vae, n_imputations)
    n_samples = check_count("n_samples", n_samples)
    if n_imputations is not None:
        n_imputations = check_count("n_imputations", n_imputations)
    size = check_count("batch_size", batch_size)
    read = vae.beside(inference=True).read
    check = partial(_check, vae)
    data = InferenceData(
        "impute", x, vae.input_features, check=check, condition=condition, read=read
    )
    if in_memory(data.x) and np.isnan(data.x).all():
        raise ValueError(
            f"All values of x are missing in all of its {len(data.x)} rows, which gives nothing "
            "to impute from. vae.sample(n) makes data of no observation."
        )
    size = size if data.n is None else min(size, data.n)
    seed = draws.fresh_seed() if seed is None else seed
    draw = _Draw(vae, n_samples, n_imputations, seed, size)
    filled, sizes, start = [], [], 0
    for number, batch in enumerate(data.batches(size)):
        n = len(batch["x"])
        given = np.asarray(data.x[start : start + n]) if has_rows(data.x) else batch["x"]
        start += n
        missing = np.isnan(given)
        has_holes = missing.reshape(n, -1).any(axis=1)
        values, ess = draw.of_batch(batch, number) if has_holes.any() else (given, n_samples)
        shape = given.shape if n_imputations is None else (n_imputations, *given.shape)
        filled.append(np.where(missing, np.broadcast_to(values, shape), given).astype(given.dtype))
        sizes.append(np.where(has_holes, ess, float(n_samples)))
    found = np.concatenate(filled, axis=0 if n_imputations is None else 1)
    return Imputation(found, np.concatenate(sizes)) if return_ess else found


def _check_model(vae, n_imputations):
    likelihood = vae.likelihood
    if vae.own_target or vae.target_features != vae.input_features:
        raise ValueError(
            "impute fills x by what the decoder makes of it, but this model was trained on a "
            "target of its own. Train one with fit(x), whose target is x."
        )
    if not likelihood.takes_missing:
        name = type(likelihood).__name__
        raise ValueError(
            f"impute needs a likelihood of what was observed, and {name} takes no missing values. "
            f"Train with likelihood=keras_vae.likelihoods.Masked({name}(...)), NaN marking holes."
        )
    if n_imputations is not None:
        draws.check_can_draw(likelihood)


def _check(vae, x):
    check_array("x", x, allow_nan=True)
    vae.check_target(x)
    vae.likelihood.check_holes(np.isnan(x))


class _Draw:
    """Draws for batches of `size` rows, in chunks that fit the memory."""

    def __init__(self, vae, n_samples, n_imputations, seed, size):
        self.vae, self.n_samples, self.n_imputations = vae, n_samples, n_imputations
        self.size = size
        self.seeds = draws.seeds("impute", seed)
        self.choices = draws.seeds("choose", seed)
        per_draw = size * max(1024, math.prod(vae.input_features))
        self.n_chunks = math.ceil(n_samples / max(1, MAX_PARAMS // per_draw))
        self.chunk = math.ceil(n_samples / self.n_chunks)

    def of_batch(self, batch, number):
        """Returns the mean or draws of x, as `impute` does, and the effective sample sizes."""
        vae, n = self.vae, len(batch["x"])
        from_prior = bool(np.isnan(batch["x"]).reshape(n, -1).all(axis=1).any())
        how = f"{self.chunk} draws, {self.n_imputations} imputations, from prior: {from_prior}"
        function = partial(_of_chunk, vae, self.chunk, self.n_imputations, from_prior)
        compiled = vae.compiled_inference.compile(
            f"impute by {how}", vae.of_inputs(function), tuple(batch)
        )
        arrays = [padded(array, self.size) for array in batch.values()]
        rng = np.random.default_rng(self.choices(number))
        shape = (self.size, self.n_imputations or 1, *vae.input_features)
        values, log_sum = np.zeros(shape, "float32"), np.full(self.size, -np.inf)
        log_squares = log_sum
        for i in range(self.n_chunks):
            # The last chunk may hold more draws than are left.
            left = np.asarray(self.n_samples - i * self.chunk, "int32")
            out = compiled(*arrays, self.seeds(number * self.n_chunks + i), left)
            of_chunk = out[:, 0].astype("float64")
            log_sum = np.logaddexp(log_sum, of_chunk)
            log_squares = np.logaddexp(log_squares, out[:, 1].astype("float64"))
            share = np.exp(of_chunk - log_sum)[:, None]
            new = out[:, 2:].reshape(shape)
            if self.n_imputations is None:
                values += _behind(share, shape).astype("float32") * (new - values)
            else:  # each from this chunk as often as its weights are of all until now
                is_new = rng.random(shape[:2]) < share
                values = np.where(_behind(is_new, shape), new, values)
        ess = np.exp(2.0 * log_sum - log_squares)[:n]
        if self.n_imputations is None:
            return vae.likelihood.as_data(values[:n, 0]), ess
        return np.moveaxis(values[:n], 1, 0), ess


def _behind(values, shape):
    """Returns values of the first axes of a shape with axes of 1 for the others."""
    return values.reshape(*values.shape, *[1] * (len(shape) - values.ndim))


def _of_chunk(vae, n, n_imputations, from_prior, x, seed, left, given=NOTHING):
    """Returns log Σw, log Σw² and the weighted mean or draws of x, `(batch, 2 + numbers)`."""
    seed = GivenSeed(seed)
    z, log_w = _codes(vae, n, from_prior, x, seed, given)
    params = vae.params_given(z, given=given)
    log_w = log_w + vae.likelihood.log_prob(x, params)
    log_w = ops.where(ops.arange(n)[:, None] < left, log_w, -np.inf)
    if n_imputations is None:
        mean = ops.reshape(vae.likelihood.mean(params), (n, ops.shape(x)[0], -1))
        values = ops.sum(ops.softmax(log_w, axis=0)[..., None] * mean, axis=0)
    else:
        values = _draws(vae.likelihood, log_w, params, n_imputations, seed)
    sums = [ops.logsumexp(log_w, axis=0), ops.logsumexp(2.0 * log_w, axis=0)]
    return ops.concatenate([*(value[:, None] for value in sums), values], axis=1)


def _codes(vae, n, from_prior, x, seed, given):
    """Returns n draws of z per row, `(n, batch, *latent_shape)`, and log p(z) / q(z), `(n, batch)`.

    They are of q(z|x), but for rows of which nothing was observed, which are of p(z).
    """
    prior = vae.prior.given(given)
    z, log_qz = vae.posterior(x, given=given).sample_and_log_prob(n, seed)
    log_ratio = prior.log_prob(z) - log_qz
    if not from_prior:
        return z, log_ratio
    is_empty = ops.all(ops.isnan(ops.reshape(x, (ops.shape(x)[0], -1))), axis=1)
    of_prior = ops.reshape(prior.sample_rows(n, ops.shape(x)[0], seed), ops.shape(z))
    is_code_empty = ops.reshape(is_empty, (1, -1, *[1] * len(vae.latent_shape)))
    return ops.where(is_code_empty, of_prior, z), ops.where(is_empty, 0.0, log_ratio)


def _draws(likelihood, log_w, params, m, seed):
    """Returns m draws of x per row, each of a z drawn by its weight, `(batch, m * numbers)`."""
    batch = ops.shape(log_w)[1]
    chosen = keras.random.categorical(ops.transpose(log_w), m, dtype="int32", seed=seed)
    rows = chosen * batch + ops.arange(batch, dtype="int32")[:, None]
    flat = ops.reshape(params, (-1, *params.shape[2:]))
    drawn = likelihood.sample(ops.take(flat, ops.reshape(rows, (-1,)), axis=0), seed=seed)
    return ops.reshape(ops.cast(drawn, "float32"), (batch, -1))
