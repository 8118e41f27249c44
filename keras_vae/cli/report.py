"""`keras-vae evaluate --report`: a folder with all numbers and a page that shows them."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_vae.cli import package, report_numbers, report_pictures
from keras_vae.cli.report_page import Picture, Table, page
from keras_vae.saving.atomic_write import written_beside

if TYPE_CHECKING:
    from keras_vae.cli.data import Data

NUMBERS, PAGE = "report.json", "index.html"
SAYS = {
    "calibration_error": "|share that is right - probability|, mean over 15 bins; 0 is best",
    "brier_score": "squared error of the probabilities, 0 to 2; 0 is best",
}
# Of scores whose name is no plain word.
CALLED = {
    "brier_score": "Brier score",
    "knn_probe": "kNN probe",
    "mig": "MIG",
    "sap": "SAP",
    "dci": "DCI",
    "irs": "IRS",
    "factor_vae": "FactorVAE score",
    "beta_vae": "β-VAE score",
}


class Report(NamedTuple):
    """What a report says.

    Attributes:
        numbers: by name, for the JSON.
        tables: of the page.
        pictures: of the page.
    """

    numbers: dict[str, Any]
    tables: list[Table]
    pictures: list[Picture]


def check(folder: Path, needs_sklearn: bool) -> None:
    """Raises an error if the folder cannot be written, or a package is missing.

    Raises:
        ValueError: if the folder holds other things than a report.
        OSError: if it is a file.
        ImportError: without matplotlib, and scikit-learn where that is needed.
    """
    package.require('"keras-vae[plots]"', "matplotlib")
    if needs_sklearn:
        package.require('"keras-vae[sklearn]"', "sklearn")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise NotADirectoryError(f"--report names a folder, but {folder} is a file.")
    others = sorted(path.name for path in folder.iterdir() if path.name not in (NUMBERS, PAGE))
    if others:
        raise ValueError(
            f"{folder} holds other things than a report, such as {others[0]}. Give a new folder."
        )


def check_data(vae, found: "Data", labels: str | None) -> None:
    """Raises a ValueError if labels or factors are too few to judge the model by."""
    if found.labels is not None and labels is not None:
        report_numbers.check_labels(labels, found.labels)
    if found.factors is not None:
        report_numbers.check_factors(found.factors, vae.latent_dim)


def make(vae, found: "Data", results: dict[str, Any], factors: Sequence[str], seed: int) -> Report:
    """Returns the numbers of a report, its tables and its pictures.

    Args:
        vae: a model.
        found: the data, with labels and factors where these are to judge it.
        results: the numbers that the command prints.
        factors: their names.
        seed: of samples, halves and classifiers.
    """
    plain = found._replace(labels=None, factors=None)
    report = Report(results | report_numbers.of_code(vae, plain), [], [])
    usual = vae.score(plain.inputs()) if vae.has_density else None
    if plain.x.ndim == 4 and plain.x.shape[-1] in (1, 3, 4):
        report.pictures.extend(report_pictures.of_images(vae, plain, usual, seed))
    kl = report.numbers.get("kl_per_dimension")
    report.pictures.extend(report_pictures.of_code(vae, plain, kl, found.labels))
    if usual is not None:
        report.pictures.append(report_pictures.of_scores(usual))
    if found.labels is not None:
        _judge_by_labels(report, vae, found, seed)
    if found.factors is not None:
        _judge_by_factors(report, vae, found, factors, seed)
    return report


def _judge_by_labels(report, vae, found, seed):
    probes = report_numbers.of_labels(vae, found, seed)
    scores, says = dict(probes), probes.says
    if vae.has_classifier:
        classes = vae.objective.classes_of(vae.condition)
        classes = classes.read_labels(found.labels, len(found.x), learn=False)
        known = np.flatnonzero(classes >= 0)
        rows = found._replace(labels=None).rows(known)
        probabilities, classes = vae.classify(rows.inputs()), classes[known]
        scores = report_numbers.of_classifier(probabilities, classes) | scores
        report.pictures.append(report_pictures.of_classifier(probabilities, classes))
    report.numbers.update(scores)
    report.tables.append(_table("What the code tells of the labels", scores, SAYS | says))


def _judge_by_factors(report, vae, found, names, seed):
    scores = report_numbers.of_factors(vae, found, seed)
    names = report_numbers.factor_names(names, found.factors)
    report.numbers["disentanglement"] = dict(scores)
    report.tables.append(_table("What the code tells of the factors", scores, scores.says))
    report.pictures.append(report_pictures.of_factors(scores.details["dci"].importance, names))


def _table(title, scores, says):
    rows = [
        (CALLED.get(name, name.replace("_", " ")), f"{value:.3f}", says[name])
        for name, value in scores.items()
    ]
    return Table(title, rows)


def write(folder: Path, report: Report, title: str, settings: dict[str, Any], vae) -> None:
    """Writes the folder, in the place of a report that is there.

    Args:
        folder: where to.
        report: what `make` gives.
        title: of the page.
        settings: the command's, `None` where not given.
        vae: the model.
    """
    model, versions = report_numbers.of_model(vae), report_numbers.versions()
    about = {"settings": settings, "model": model, "versions": versions}
    rows = [
        (name.replace("_", " "), ", ".join(map(str, v)) if isinstance(v, list) else str(v))
        for name, v in [*settings.items(), *model.items()]
        if v is not None
    ]
    rows += versions.items()
    lead = ", ".join(f"{name} {value}" for name, value in model.items() if isinstance(value, str))
    html = page(title, lead, report.tables, report.pictures, rows)
    folder.parent.mkdir(parents=True, exist_ok=True)
    numbers = _with_null(report.numbers | about)
    with written_beside(folder) as path:
        path.mkdir()
        text = json.dumps(numbers, indent=2, allow_nan=False) + "\n"
        (path / NUMBERS).write_text(text, encoding="utf-8")
        (path / PAGE).write_text(html, encoding="utf-8")


def _with_null(value):
    """Returns the numbers with null for what JSON has no word for."""
    if isinstance(value, dict):
        return {name: _with_null(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_null(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
