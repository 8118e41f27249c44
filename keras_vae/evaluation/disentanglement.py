"""disentanglement: all scores of a model's code against factors that are known, in one call."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from keras_vae.evaluation.dci import dci
from keras_vae.evaluation.explicitness import explicitness
from keras_vae.evaluation.factors import check_factors, check_pair
from keras_vae.evaluation.irs import irs
from keras_vae.evaluation.mutual_information_scores import mig, modularity
from keras_vae.evaluation.sap import sap
from keras_vae.evaluation.scores import Scores
from keras_vae.evaluation.votes import beta_vae_score, factor_vae_score
from keras_vae.validation.arguments import check_count
from keras_vae.validation.extras import require

MOST_ROWS = 10_000  # of which half train, as in Locatello et al., 2019
SAYS = {
    "mig": "each factor in one latent",
    "modularity": "each latent holds one factor",
    "explicitness": "factors can be read linearly (0.5: by chance)",
    "sap": "one latent alone predicts a factor (perfect: below 1)",
    "dci": "each latent matters for one factor",
    "irs": "latents stay while their factor stays",
    "factor_vae": "the stillest latent names the factor held",
    "beta_vae": "what moved tells the factor held",
}


class FactorGrid(Protocol):
    """Data of which every combination of some factors can be drawn, as `kv.datasets.Sprites`."""

    def __len__(self) -> int:
        """Returns how many combinations there are."""
        ...

    def sample(self, n: int, seed: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Returns n different samples `(n, *features)` and their factors `(n, k)`."""
        ...


class Disentanglement(Scores):
    """The scores by name, a dict of numbers; `print` shows them as a table.

    Attributes:
        details: by name what a score is made of: the `DCI` with its importance matrix, and
            `train` and `test` of those that fit a classifier.
    """

    details: dict[str, Any]


def disentanglement(
    vae,
    dataset,
    factors=None,
    *,
    n_rows: int | None = None,
    n_votes: tuple[int, int] = (10_000, 5_000),
    scores: Sequence[str] = tuple(SAYS),
    classifier=None,
    condition=None,
    batch_size: int = 128,
    seed: int = 0,
    verbose: int = 1,
) -> Disentanglement:
    """Scores the code of a VAE, its posterior means, against factors that are known.

    No single score is disentanglement: docs/evaluation.md says what each says and its traps.

    Args:
        vae: a built VAE.
        dataset: a grid of factors such as `kv.datasets.Sprites()`; or data x, `(n, *features)`,
            with `factors`; or a tuple of both.
        factors: of x, `(n, k)`, numbers that many rows share. They need be no grid.
        n_rows: how many rows, of which one half trains classifiers and the other tests them; by
            default 10,000, or all where there are fewer.
        n_votes: training and test minibatches of the FactorVAE and the β-VAE score, drawn from
            these rows.
        scores: which ones, all by default; `"dci"` takes longest.
        classifier: of `dci`, for a faster one than its default.
        condition: what is given beside x, one for all rows or, without a grid, one for each.
        batch_size: rows per compiled call.
        seed: of rows, draws and classifiers.
        verbose: 0 for no progress bars.

    Returns:
        `{"mig": ..., "modularity": ..., "explicitness": ..., "sap": ..., "dci": ..., "irs": ...,
        "factor_vae": ..., "beta_vae": ...}`: of what has parts, explicitness, the votes and
        DCI, the test score and the disentanglement; all parts are in `details`. Each is
        from 0 to 1.

    Raises:
        ValueError: for data that does not fit the model, factors of one value or NaN, fewer rows
            than `n_rows`, or an unknown score.
        ImportError: without scikit-learn.

    Reference:
        Locatello et al., "Challenging common assumptions in the unsupervised learning of
        disentangled representations", 2019, appendix.
    """
    unknown = set(scores) - set(SAYS)
    if unknown:
        raise ValueError(f"Unknown scores {sorted(unknown)}; known are {', '.join(SAYS)}.")
    if set(scores) & {"explicitness", "sap", "dci", "beta_vae"}:
        require("sklearn", "sklearn", "disentanglement")
    x, factors = _rows(dataset, factors, n_rows, seed)
    factors = check_factors(factors, at_least=2)  # before the codes are made
    codes = vae.encode(x, batch_size, condition=condition)
    z, factors = check_pair(codes, factors)
    rows = np.random.default_rng(seed).permutation(len(z))[: n_rows or MOST_ROWS]
    z, factors = z[rows], factors[rows]
    half = len(z) // 2
    votes = {"n_train": n_votes[0], "n_test": n_votes[1], "seed": seed, "verbose": verbose}
    calls = {
        "mig": lambda: mig(z, factors),
        "modularity": lambda: modularity(z[:half], factors[:half]),
        "explicitness": lambda: explicitness(z, factors, verbose=verbose),
        "sap": lambda: sap(z, factors, seed=seed, verbose=verbose),
        "dci": lambda: dci(z, factors, seed=seed, classifier=classifier, verbose=verbose),
        "irs": lambda: irs(z, factors),
        "factor_vae": lambda: factor_vae_score(z, factors, **votes),
        "beta_vae": lambda: beta_vae_score(z, factors, **votes),
    }
    details = {name: calls[name]() for name in SAYS if name in scores}
    result = Disentanglement({name: _number(name, found) for name, found in details.items()}, SAYS)
    result.details = details
    return result


def _number(name, found):
    if name == "dci":
        return found.disentanglement
    return found if isinstance(found, float) else found.test


def _rows(dataset, factors, n_rows, seed):
    """Returns x and factors, of a grid no more rows than are used."""
    if n_rows is not None:
        n_rows = check_count("n_rows", n_rows)
    is_pair = isinstance(dataset, tuple) and len(dataset) == 2
    if factors is None and not is_pair:
        if isinstance(dataset, np.ndarray):
            raise ValueError("x comes with its factors: disentanglement(vae, x, factors).")
        _check_rows(n_rows, len(dataset))
        return dataset.sample(min(len(dataset), n_rows or MOST_ROWS), seed)
    if factors is None:
        dataset, factors = dataset
    if isinstance(dataset, np.ndarray) and len(dataset) != len(factors):
        raise ValueError(f"x has {len(dataset)} rows, but factors have {len(factors)}.")
    _check_rows(n_rows, len(factors))
    return dataset, factors


def _check_rows(n_rows, n):
    if n_rows is not None and n_rows > n:
        raise ValueError(f"n_rows={n_rows}, but there are {n} rows. Ask for fewer.")
