"""Imputation: fills what is missing of data by what a trained model makes of the rest."""

from functools import partial
from typing import NamedTuple

import numpy as np

from keras_vae.evaluation import draws
from keras_vae.evaluation.filler import Filler
from keras_vae.reading.forms import has_rows, in_memory
from keras_vae.reading.inference_data import InferenceData
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
    filler = Filler(vae, n_samples, n_imputations, seed, size)
    filled, sizes, start = [], [], 0
    for number, batch in enumerate(data.batches(size)):
        n = len(batch["x"])
        given = np.asarray(data.x[start : start + n]) if has_rows(data.x) else batch["x"]
        start += n
        missing = np.isnan(given)
        has_holes = missing.reshape(n, -1).any(axis=1)
        values, ess = filler.of_batch(batch, number) if has_holes.any() else (given, n_samples)
        shape = given.shape if n_imputations is None else (n_imputations, *given.shape)
        filled.append(np.where(missing, np.broadcast_to(values, shape), given).astype(given.dtype))
        sizes.append(np.where(has_holes, ess, float(n_samples)))
    found = np.concatenate(filled, axis=0 if n_imputations is None else 1)
    return Imputation(found, np.concatenate(sizes)) if return_ess else found


def _check_model(vae, n_imputations):
    vae.check_has_density("impute")
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
