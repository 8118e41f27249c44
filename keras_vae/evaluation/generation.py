"""How good samples are: distances between the features of real and of generated data."""

import numpy as np

from keras_vae.evaluation.factors import check_codes
from keras_vae.evaluation.feature_models import check_features, chunks
from keras_vae.validation.arguments import check_count


def frechet(real, fake) -> float:
    """Fréchet distance of two sets of features, as if each were normal.

    |m₁ − m₂|² + tr(S₁ + S₂ − 2 (S₁S₂)^½) in float64, with covariances of ddof 1. It is the FID if
    the features are Inception's, and depends on the features and on the number of rows:
    compare only what was measured alike.

    Args:
        real: features, `(n, p)`, n at least 2.
        fake: features, `(m, p)`.

    Returns:
        The distance (a squared one, in the features' squared unit), 0 for equal means and
        covariances.

    Raises:
        ValueError: for features of another width, NaN, or a single row.

    Reference:
        Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash
        equilibrium", 2017, equation 6.
    """
    real, fake = check_features(real, fake, 2)
    moments = [(x.mean(axis=0), np.atleast_2d(np.cov(x, rowvar=False))) for x in (real, fake)]
    (mean_1, cov_1), (mean_2, cov_2) = moments
    return frechet_of_normals(mean_1, cov_1, mean_2, cov_2)


def frechet_of_normals(mean_1, covariance_1, mean_2, covariance_2) -> float:
    """Returns the squared Wasserstein-2 distance of two normals, see `frechet`.

    Args:
        mean_1: `(p,)`.
        covariance_1: `(p, p)`, symmetric, which may be singular.
        mean_2: `(p,)`.
        covariance_2: `(p, p)`.

    Raises:
        ValueError: for shapes that do not belong together or NaN.
    """
    arrays = [np.asarray(a, "float64") for a in (mean_1, covariance_1, mean_2, covariance_2)]
    p = arrays[0].size
    if [a.shape for a in arrays] != [(p,), (p, p)] * 2 or not all(map(_is_finite, arrays)):
        raise ValueError(
            "Two means (p,) and two covariances (p, p) without NaN are needed; received shapes "
            f"{[a.shape for a in arrays]}."
        )
    m_1, s_1, m_2, s_2 = arrays
    # The trace of (S₁S₂)^½ is the sum of the singular values of S₁^½ S₂^½.
    shared = np.linalg.svd(_root(s_1) @ _root(s_2), compute_uv=False).sum()
    return float(np.sum((m_1 - m_2) ** 2) + np.trace(s_1) + np.trace(s_2) - 2.0 * shared)


def kid(real, fake) -> float:
    """Kernel distance of two sets of features: the unbiased MMD² of all rows.

    The kernel is (a·b / p + 1)³. Unbiased means that equal distributions give 0 on average, so that
    it may be negative; `kid_subsets` gives a spread.

    Args:
        real: features, `(n, p)`, n at least 2.
        fake: features, `(m, p)`, m at least 2.

    Raises:
        ValueError: for features of another width, NaN, or a single row.

    Reference:
        Bińkowski et al., "Demystifying MMD GANs", 2018, section 4.
    """
    real, fake = check_features(real, fake, 2)
    return _kid(real, fake)


def kid_subsets(
    real, fake, n_subsets: int = 100, subset_size: int = 1_000, seed: int | None = 0
) -> np.ndarray:
    """Returns the KID of random subsets, `(n_subsets,)`: their mean estimates `kid`.

    Their standard deviation is that of the KID of so many rows, not that of the mean.

    Args:
        real: features, `(n, p)`.
        fake: features, `(m, p)`.
        n_subsets: how many.
        subset_size: rows of each set in a subset, without repetition.
        seed: of the subsets; `None` draws anew.

    Raises:
        ValueError: for features of another width, NaN, or fewer rows than `subset_size`.
    """
    real, fake = check_features(real, fake, check_count("subset_size", subset_size))
    if subset_size < 2:
        raise ValueError("subset_size must be 2 or more: pairs of different rows are compared.")
    rng = np.random.default_rng(seed)

    def some(x):
        return x[rng.choice(len(x), subset_size, replace=False)]

    return np.array([_kid(some(real), some(fake)) for _ in range(check_count("n", n_subsets))])


def exp_mean_kl(probabilities) -> float:
    """Returns exp(mean KL(p(y|x) ‖ p(y))) of class probabilities: the inception score's formula.

    From 1 to the number of classes. It asks for clear and different classes and knows nothing of
    real data. One split of all rows.

    Args:
        probabilities: `(n, classes)`, rows that sum to 1.

    Raises:
        ValueError: for other shapes, NaN, or rows that are no probabilities.

    Reference:
        Salimans et al., "Improved techniques for training GANs", 2016, section 4.
    """
    p = check_codes(probabilities, "probabilities")
    if (p < 0).any() or np.abs(p.sum(axis=1) - 1.0).max() > 1e-3:
        raise ValueError("probabilities must be of at least 0 and sum to 1 in each row.")
    marginal = np.broadcast_to(p.mean(axis=0), p.shape)
    some = p > 0
    return float(np.exp(np.sum(p[some] * (np.log(p[some]) - np.log(marginal[some]))) / len(p)))


def _is_finite(array):
    return np.isfinite(array).all()


def _root(matrix):
    """Returns the square root of a symmetric matrix; eigenvalues that are rounding count as 0."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    rounding = len(values) * np.finfo("float64").eps * np.abs(values).max()
    return (vectors * np.sqrt(np.where(values > rounding, values, 0.0))) @ vectors.T


def _kid(real, fake):
    same = sum(_kernel_sum(x, x, but_self=True) / (len(x) * (len(x) - 1)) for x in (real, fake))
    return float(same - 2.0 * _kernel_sum(real, fake) / (len(real) * len(fake)))


def _kernel_sum(a, b, but_self=False):
    p = a.shape[1]
    total = sum(((a[rows] @ b.T / p + 1.0) ** 3).sum() for rows in chunks(len(a)))
    return total - ((np.sum(a * b, axis=1) / p + 1.0) ** 3).sum() if but_self else total
