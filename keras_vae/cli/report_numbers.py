"""The numbers of a report that take labels or factors, and what the report is of."""

import importlib.metadata
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vae.cli import labels as learned
from keras_vae.cli import package

if TYPE_CHECKING:
    from keras_vae.cli.data import Data
    from keras_vae.evaluation import Disentanglement, Scores

FEWEST = 24  # labelled rows: half of them are to hold more than twice the 5 neighbours of a probe


def of_code(vae, found: "Data") -> dict[str, Any]:
    """Returns the KL of each latent dimension, in nats, of a model that has it in closed form."""
    evaluation = package.load(None).evaluation
    if not (vae.has_density and evaluation.has_kl_per_dimension(vae)):
        return {}
    return {"kl_per_dimension": vae.kl_per_dimension(found.inputs()).tolist()}


def check_labels(name: str, labels: np.ndarray) -> None:
    """Raises a ValueError if labels are too few to judge a code by."""
    known = labels[learned.known(labels)]
    n = len(set(known.tolist()))
    if len(known) < FEWEST or n < 2:
        raise ValueError(
            f"{name} has {len(known)} labelled rows of {n} classes among those taken; the report "
            f"needs {FEWEST} rows of 2 classes. Leave --labels {name} out, or take more --rows."
        )


def check_factors(factors: np.ndarray, latent_dim: int) -> None:
    """Raises a ValueError if factors, or latent dimensions, are too few to judge a code by."""
    from keras_vae.evaluation.factors import check_factors

    check_factors(factors, at_least=2)
    if latent_dim < 2:
        raise ValueError("Factors judge codes of two latent dimensions or more; the model has 1.")


def of_classifier(probabilities: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    """Returns how far the probabilities of classes can be believed.

    Args:
        probabilities: of the labelled rows, `(n, n_classes)`.
        classes: their classes, `(n,)`.
    """
    evaluation = package.load(None).evaluation
    return {
        "calibration_error": evaluation.expected_calibration_error(probabilities, classes),
        "brier_score": evaluation.brier_score(probabilities, classes),
    }


def of_labels(vae, found: "Data", seed: int) -> "Scores":
    """Returns what the code says of labels: probes fitted on one half, judged on the other."""
    from keras_vae.evaluation.representation import SAYS

    evaluation = package.load(None).evaluation
    assert found.labels is not None
    known = np.flatnonzero(learned.known(found.labels))
    # A file may have its rows by class.
    rows = found.rows(np.random.default_rng(seed).permutation(known))
    labels = np.unique(np.asarray(rows.labels).astype(str), return_inverse=True)[1]
    if not np.isnan(rows.x).any():
        return evaluation.representation(vae, rows.x, labels, condition=rows.condition)
    # Rows with holes have no distance to others.
    z = vae.encode(rows.x, condition=rows.condition)
    z = z.reshape(len(z), -1)
    probes = {
        "linear_probe": evaluation.linear_probe(z, labels, standardize=True),
        "knn_probe": evaluation.knn_probe(z, labels),
    }
    return evaluation.Scores(probes, SAYS)


def of_factors(vae, found: "Data", seed: int) -> "Disentanglement":
    """Returns the scores of `evaluation.disentanglement`."""
    given = {"condition": found.condition, "seed": seed, "verbose": 0}
    evaluation = package.load(None).evaluation
    return evaluation.disentanglement(vae, found.x, found.factors, **given)


def factor_names(names: Sequence[str], factors: np.ndarray) -> list[str]:
    """Returns a name for each factor; numbers where arrays hold several."""
    n = factors.shape[1]
    return list(names) if len(names) == n else [f"factor {i}" for i in range(n)]


def of_model(vae) -> dict[str, Any]:
    """Returns the names of the parts of a model, and its sizes."""
    encoder = package.load(None).encoders.get(vae.encoder)
    parts = {
        "likelihood": vae.likelihood,
        "prior": vae.prior,
        "objective": vae.objective,
        "condition": vae.condition,
    }
    return {
        "latent_shape": list(vae.latent_shape),
        "posterior": encoder.posterior_class.__name__,
        **{name: type(part).__name__ for name, part in parts.items() if part is not None},
        "parameters": int(vae.count_params()),
    }


def versions() -> dict[str, str]:
    """Returns the versions of what the numbers were computed with."""
    kv = package.load(None)
    import keras

    from keras_vae.backend import NAME

    found = {
        "keras_vae": kv.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    try:
        found[NAME] = importlib.metadata.version(NAME)
    except importlib.metadata.PackageNotFoundError:  # such as tensorflow-cpu
        found[NAME] = "unknown"
    return found
