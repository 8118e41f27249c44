"""Filler: means and draws of p(x|x_o), what was observed, by importance sampling of the code."""

import math
from functools import partial

import numpy as np
from keras import ops

from keras_vae.conditions import NOTHING
from keras_vae.distributions.seeds import GivenSeed
from keras_vae.evaluation import draws
from keras_vae.evaluation.importance import WeightSums, log_sums, n_that_fit
from keras_vae.reading.inference_data import padded


class Filler:
    """Fills batches of `size` rows, by draws of z in chunks that fit the memory.

    Args:
        vae: a built VAE.
        n_samples: draws of z per row.
        n_imputations: draws of x per row, `None` for their mean.
        seed: of all draws.
        size: rows per compiled call.
    """

    def __init__(self, vae, n_samples, n_imputations, seed, size):
        self.vae, self.n_samples, self.n_imputations = vae, n_samples, n_imputations
        self.size = size
        self.seeds = [draws.seeds(stream, seed) for stream in ("codes", "choose", "fill")]
        most = n_that_fit(size, vae.input_features, vae)
        self.chunk, self.block = _evenly(n_samples, most), _evenly(n_imputations or 1, most)

    def of_batch(self, batch: dict, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the mean or draws of x, as `impute` does, and the effective sample sizes.

        Args:
            batch: rows by name, x first.
            number: that of the batch, which has draws of its own.
        """
        n = len(batch["x"])
        batch = {name: padded(array, self.size) for name, array in batch.items()}
        weights = WeightSums(self.size)
        if self.n_imputations is None:
            mean = self._mean(batch, number, weights)[:n]
            return self.vae.likelihood.as_data(mean), weights.effective_sample_size()[:n]
        codes = self._codes(batch, number, weights)
        return self._drawn(batch, number, codes)[:, :n], weights.effective_sample_size()[:n]

    def _mean(self, batch, number, weights):
        """Returns E[x|x_o] of a batch, whose weights it adds up."""
        mean = np.zeros((self.size, math.prod(self.vae.input_features)), "float32")
        for out, _ in self._chunks("mean", _mean_and_sums, batch, number):
            share = weights.add(out[:, 0], out[:, 1])
            mean += share.astype("float32")[:, None] * (out[:, 2:] - mean)
        return mean.reshape(self.size, *self.vae.input_features)

    def _codes(self, batch, number, weights):
        """Returns draws of p(z|x_o), `(n_imputations, size, *latent_shape)`; adds up weights."""
        rng = np.random.default_rng(self.seeds[1](number))
        codes = np.zeros((self.size, self.n_imputations, self.vae.latent_dim), "float32")
        for out, left in self._chunks("codes", _weights_and_codes, batch, number):
            log_w = out[:, : self.chunk].astype("float64")[:, :left]
            z = out[:, self.chunk :].reshape(self.size, self.chunk, -1)
            share = weights.add(*log_sums(log_w, axis=1))
            # Each is of this chunk as often as its weights are of all until now.
            is_new = rng.random(codes.shape[:2]) < share[:, None]
            new = np.take_along_axis(z, _places(rng, log_w, self.n_imputations)[..., None], axis=1)
            codes = np.where(is_new[..., None], new, codes)
        shape = (self.size, self.n_imputations, *self.vae.latent_shape)
        return np.moveaxis(codes.reshape(shape), 1, 0)

    def _drawn(self, batch, number, codes):
        """Returns draws of p(x|z), `(n_imputations, size, *features)`."""
        compiled = self._compiled(f"fill {self.block}", _x_of_codes, batch)
        parts = []
        for i in range(0, self.n_imputations, self.block):
            z = np.ascontiguousarray(padded(codes[i : i + self.block], self.block))
            seed = self.seeds[2](number * self.n_imputations + i)
            out = compiled(*batch.values(), z, seed)
            parts.append(out[: self.n_imputations - i])
        return np.concatenate(parts)

    def _chunks(self, name, function, batch, number):
        """Yields what a function of a chunk of draws gives, and how many of these count."""
        x = batch["x"]
        from_prior = bool(np.isnan(x).reshape(len(x), -1).all(axis=1).any())
        name = f"{name} of {self.chunk} draws, from prior: {from_prior}"
        compiled = self._compiled(name, partial(function, self.chunk, from_prior), batch)
        n_chunks = math.ceil(self.n_samples / self.chunk)
        for i in range(n_chunks):
            # The last chunk may hold more draws than are left.
            left = min(self.chunk, self.n_samples - i * self.chunk)
            seed = self.seeds[0](number * n_chunks + i)
            yield compiled(*batch.values(), seed, np.asarray(left, "int32")), left

    def _compiled(self, name, function, batch):
        function = self.vae.of_inputs(partial(_of_model, function, self.vae))
        return self.vae.compiled_inference.compile(f"impute: {name}", function, tuple(batch))


def _evenly(n, most):
    """Returns the size of the parts, of at most `most`, that n falls into."""
    return math.ceil(n / math.ceil(n / most))


def _places(rng, log_w, m):
    """Returns m places of each row by weights e^log_w, `(size, m)`, in any order.

    They are stratified, one in each m-th of the weights, so that they vary less than
    independent ones: Kitagawa, "Monte Carlo filter and smoother for non-Gaussian nonlinear
    state space models", 1996, appendix.
    """
    cumulative = np.cumsum(np.exp(log_w - log_w.max(axis=1, keepdims=True)), axis=1)
    at = (np.arange(m) + rng.random((len(log_w), m))) / m * cumulative[:, -1:]
    at = rng.permuted(at, axis=1)
    rows = [np.searchsorted(row, u, "right") for row, u in zip(cumulative, at, strict=True)]
    return np.minimum(np.stack(rows), log_w.shape[1] - 1)


# Functions of the compiled calls: what is given comes by its name, as Flow.of_inputs has it.


def _of_model(function, vae, x, *others, given=NOTHING):
    return function(vae, given, x, *others)


def _mean_and_sums(n, from_prior, vae, given, x, seed, left):
    """Returns log Σw, log Σw² and the weighted mean of x, `(batch, 2 + numbers)`."""
    _, params, log_w = _weighted(n, from_prior, vae, given, x, seed)
    log_w = ops.where(ops.arange(n)[:, None] < left, log_w, -np.inf)
    mean = ops.reshape(vae.likelihood.mean(params), (n, ops.shape(x)[0], -1))
    mean = ops.sum(ops.softmax(log_w, axis=0)[..., None] * mean, axis=0)
    sums = [ops.logsumexp(power * log_w, axis=0) for power in (1.0, 2.0)]
    return ops.concatenate([*(value[:, None] for value in sums), mean], axis=1)


def _weights_and_codes(n, from_prior, vae, given, x, seed, left):
    """Returns log w of n draws of z, and these, `(batch, n * (1 + latent_dim))`."""
    z, _, log_w = _weighted(n, from_prior, vae, given, x, seed)
    z = ops.reshape(ops.swapaxes(z, 0, 1), (ops.shape(x)[0], -1))
    return ops.concatenate([ops.transpose(log_w), z], axis=1)


def _x_of_codes(vae, given, x, z, seed):
    """Returns a draw of p(x|z) for each code, `(n, batch, *features)`."""
    drawn = vae.likelihood.sample(vae.params_given(z, given=given), seed=GivenSeed(seed))
    return ops.cast(drawn, "float32")


def _weighted(n, from_prior, vae, given, x, seed):
    """Returns n draws of z per row, p(x|z)'s params at them and their log-weights, `(n, batch)`."""
    z, log_ratio = _codes(n, from_prior, vae, given, x, GivenSeed(seed))
    params = vae.params_given(z, given=given)
    return z, params, log_ratio + vae.likelihood.log_prob(x, params)


def _codes(n, from_prior, vae, given, x, seed):
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
