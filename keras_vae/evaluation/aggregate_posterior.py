"""What the codes of all data together are: information, correlation, distance to the prior."""

import math
from typing import NamedTuple

import numpy as np

from keras_vae import distributions, encoders
from keras_vae.evaluation.factors import check_codes
from keras_vae.priors import StandardNormal
from keras_vae.validation.arguments import check_choice, check_count

_MAX_TABLE = 2**22  # numbers of a table of densities that are in memory at a time: 32 MB


class KLDecomposition(NamedTuple):
    """The KL of q(z|x) to N(0, I), averaged over x, and what it is made of, in nats.

    Attributes:
        kl: in closed form, mean over the rows.
        sampled_kl: of the draws: the sum of the three below.
        mutual_information: I(x; z), what the code tells about which row it is of.
        total_correlation: KL(q(z) ‖ Π q(z_d)), how far the dimensions are from independent.
        dimension_wise_kl: Σ KL(q(z_d) ‖ p(z_d)).
        marginal_kl: KL(q(z) ‖ p(z)), the sum of the last two.
    """

    kl: float
    sampled_kl: float
    mutual_information: float
    total_correlation: float
    dimension_wise_kl: float
    marginal_kl: float


def kl_decomposition(
    mean,
    log_var,
    z=None,
    n_samples: int = 1,
    seed: int | None = 0,
    n_data: int | None = None,
    estimator: str = "stratified",
) -> KLDecomposition:
    """Splits the KL of diagonal normal posteriors, with q(z) = (1/N) Σ q(z|xⱼ) over all rows.

    q(z) is that of these rows, so that I(x; z) is at most log N. The work is N² draws · d.

    With `n_data` the rows are a minibatch of so many, whose q(z) is estimated from it as
    `keras_vae.objectives.BetaTCVAE` does while it trains: noisy, and biased by the logarithm.

    Args:
        mean: of each posterior, `(n, d)`.
        log_var: log σ², `(n, d)`.
        z: draws of the posteriors, `(n_samples, n, d)` or `(n, d)`; drawn here by default.
        n_samples: draws per posterior, if z is not given.
        seed: of these draws; `None` draws anew.
        n_data: rows of the data that these are a minibatch of.
        estimator: of such a minibatch, `"stratified"` or `"weighted"`. The weights of the latter
            add up to 1/N: its mutual information is too large by log N, and no more than a loss.

    Raises:
        ValueError: for shapes that differ or NaN, and a minibatch of one row or of fewer data.

    Reference:
        Hoffman and Johnson, "ELBO surgery", 2016; Chen et al., "Isolating sources of
        disentanglement in VAEs", 2018, equation 2 and appendix C.
    """
    mean, log_var, z = _check(mean, log_var, z, n_samples, seed)
    check_choice("estimator", estimator, ("stratified", "weighted"))
    n = len(mean)
    if n_data is not None and not 2 <= n <= check_count("n_data", n_data):
        raise ValueError(f"A minibatch has 2 to n_data rows; received {n} and n_data={n_data}.")
    per_dimension = 0.5 * (mean**2 + np.exp(log_var) - 1.0 - log_var)
    weights = np.full(n, 1 / n) if n_data is None else _batch_weights(n, n_data, estimator)
    log_own, log_qz, log_qz_each = _mean_log_densities(mean, log_var, z, weights)
    log_pz = float(np.mean(np.sum(_log_normal(z, 0.0, 0.0), axis=-1)))
    return KLDecomposition(
        float(per_dimension.sum(axis=1).mean()),
        log_own - log_pz,
        log_own - log_qz,
        log_qz - log_qz_each,
        log_qz_each - log_pz,
        log_qz - log_pz,
    )


def mutual_information(
    mean,
    log_var,
    z=None,
    n_samples: int = 1,
    seed: int | None = 0,
    leave_one_out: bool = False,
    closed_entropy: bool = False,
) -> float:
    """Returns I(x; z) of diagonal normal posteriors, in nats, see `kl_decomposition`.

    With few rows it is too small, as it is at most log N. With `leave_one_out` q(z) is that of all
    other rows: an estimate that is too large instead. With `closed_entropy` the mean of
    log q(z|x) is not that of the draws but the one that it tends to.
    """
    mean, log_var, z = _check(mean, log_var, z, n_samples, seed)
    n = len(mean)
    weights = np.full(n, 1 / n)
    if leave_one_out:
        if n < 2:
            raise ValueError("leave_one_out needs two posteriors or more.")
        weights = np.array([0.0] + [1 / (n - 1)] * (n - 1))
    log_own, log_qz, _ = _mean_log_densities(mean, log_var, z, weights)
    if closed_entropy:
        log_own = float(-0.5 * np.sum(math.log(2 * math.pi) + 1 + log_var, axis=1).mean())
    return log_own - log_qz


def total_correlation(mean, log_var, z=None, n_samples: int = 1, seed: int | None = 0) -> float:
    """Returns KL(q(z) ‖ Π q(z_d)), in nats, see `kl_decomposition`."""
    return kl_decomposition(mean, log_var, z, n_samples, seed).total_correlation


def dimension_wise_kl(mean, log_var, z=None, n_samples: int = 1, seed: int | None = 0) -> float:
    """Returns Σ KL(q(z_d) ‖ N(0, 1)), in nats, see `kl_decomposition`."""
    return kl_decomposition(mean, log_var, z, n_samples, seed).dimension_wise_kl


def marginal_kl(mean, log_var, z=None, n_samples: int = 1, seed: int | None = 0) -> float:
    """Returns KL(q(z) ‖ N(0, I)), in nats, see `kl_decomposition`."""
    return kl_decomposition(mean, log_var, z, n_samples, seed).marginal_kl


def kl_decomposition_of(
    vae, x, n_samples: int = 1, seed: int | None = 0, batch_size: int = 128, condition=None
) -> KLDecomposition:
    """Splits the KL of a VAE on x into information, total correlation and the rest.

    Args:
        vae: a built VAE with a diagonal normal posterior and the standard normal prior.
        x: data, `(n, *features)`; a few thousand rows, as the work is n².
        n_samples: draws per row.
        seed: of these draws; `None` draws anew.
        batch_size: rows per compiled call.
        condition: what is given beside x.

    Raises:
        ValueError: if the model is not built, or has another posterior or prior.
    """
    vae.check_built("kl_decomposition_of")
    posterior = encoders.get(vae.encoder).posterior_class
    if not issubclass(posterior, distributions.DiagonalNormal) or not isinstance(
        vae.prior, StandardNormal
    ):
        raise ValueError(
            "The KL is split for a diagonal normal posterior and the standard normal prior; this "
            f"model has {posterior.__name__} and {type(vae.prior).__name__}."
        )
    params = vae.encode_distribution(x, batch_size=batch_size, condition=condition).params
    mean, log_var = params["z_mean"], params["z_log_var"]
    return kl_decomposition(mean, log_var, n_samples=n_samples, seed=seed)


def _check(mean, log_var, z, n_samples, seed):
    mean, log_var = check_codes(mean, "mean"), check_codes(log_var, "log_var")
    if mean.shape != log_var.shape:
        raise ValueError(
            f"mean and log_var must have the same shape (n, d); received {mean.shape} and "
            f"{log_var.shape}."
        )
    if z is None:
        shape = (check_count("n_samples", n_samples), *mean.shape)
        noise = np.random.default_rng(seed).standard_normal(shape)
        return mean, log_var, mean + np.exp(0.5 * log_var) * noise
    z = np.asarray(z, "float64")
    z = z[None] if z.ndim == 2 else z
    if z.shape[1:] != mean.shape or not np.isfinite(z).all():
        raise ValueError(
            f"z must hold finite draws of shape (n_samples, {len(mean)}, {mean.shape[1]}); "
            f"received shape {z.shape}."
        )
    return mean, log_var, z


def _batch_weights(n, n_data, estimator):
    """Returns the weights in q(z_i) of the posteriors of x_i, the next row, that after it, ..."""
    if estimator == "weighted":
        return np.full(n, 1 / (n_data * n))
    # x_i itself stands for one row of N; the next one for those that the batch lacks.
    weights = np.full(n, 1 / (n - 1))
    weights[:2] = 1 / n_data, (n_data - n + 1) / (n_data * (n - 1))
    return weights


def _mean_log_densities(mean, log_var, z, weights):
    """Returns the means of log q(z|x), log q(z) and Σ log q(z_d) over all draws.

    `weights` are those in q(z_i) of the posteriors of x_i, the next row, that after it, ...
    """
    n, d = mean.shape
    log_own = np.sum(_log_normal(z, mean, log_var), axis=-1).mean()
    with np.errstate(divide="ignore"):  # of a row that is left out
        log_weights = np.log(weights)
    step = max(1, _MAX_TABLE // (n * d))
    joint = each = 0.0
    for draws in z:
        for start in range(0, n, step):
            some = draws[start : start + step]
            rows = np.arange(start, start + len(some))[:, None]
            log_weight = log_weights[(np.arange(n) - rows) % n]
            log_densities = _log_normal(some[:, None], mean, log_var)  # (rows, n, d)
            each += _log_sum_exp(log_densities + log_weight[..., None], 1).sum()
            joint += _log_sum_exp(log_densities.sum(axis=-1) + log_weight, 1).sum()
    count = z.shape[0] * n
    return float(log_own), float(joint / count), float(each / count)


def _log_normal(z, mean, log_var):
    return -0.5 * (math.log(2 * math.pi) + log_var + (z - mean) ** 2 / np.exp(log_var))


def _log_sum_exp(values, axis):
    largest = values.max(axis=axis, keepdims=True)
    return np.log(np.exp(values - largest).sum(axis=axis)) + largest.squeeze(axis)
