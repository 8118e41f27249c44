"""`keras-vae detect`: which rows of data are anomalies, at a rate of false alarms."""

import csv
from pathlib import Path
from typing import Annotated

import typer

from keras_vae.cli import beside, console, data, package
from keras_vae.saving.atomic_write import written_beside


def detect(
    model: Annotated[Path, typer.Argument(help="The .keras file of a model.")],
    source: Annotated[str, typer.Argument(
        metavar="DATA", help="The rows to judge: a file or folder, as for train.")],
    calibration: Annotated[str, typer.Option(
        help="Usual rows, which the model was not trained on, in a file as DATA.")],
    rate: Annotated[float, typer.Option(
        help="The rate of false alarms: of usual rows that are called anomalies.")] = 0.01,
    out: Annotated[Path | None, typer.Option(
        help="A .csv file to write row, score, p-value and verdict to.")] = None,
    score: Annotated[str, typer.Option(
        help="score, log_likelihood, reconstruction_probability or error.")] = "score",
    two_sided: Annotated[bool, typer.Option(
        "--two-sided", help="Find what is too usual as well, such as noise that is missing."
    )] = False,
    fdr: Annotated[float | None, typer.Option(
        help="Bound the share of usual rows among those found by this, not the rate.")] = None,
    draws: Annotated[int, typer.Option(
        min=1, help="Draws of z per row, of the two scores that draw.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of these draws.")] = 0,
    array: Annotated[str | None, typer.Option(help="Name of the array in .npz files.")] = None,
    condition: Annotated[str | None, typer.Option(
        help="Of a model with a condition: the name of it in both, as for train.")] = None,
    backend: Annotated[str | None, typer.Option(
        help="What Keras computes with: tensorflow, jax or torch.",
        show_default="$KERAS_BACKEND, else tensorflow")] = None,
) -> None:  # fmt: skip
    """Find the rows that are unlike usual data, at a rate of false alarms that you choose.

    Usual rows that the model has not seen say which scores are usual. A rate of 0.01 needs 99 of
    them, and more make the rate surer. Higher scores are stranger; a p-value says how often a
    usual row is as strange.

    [bold]Examples[/]

      keras-vae detect vae.keras new.npy --calibration usual.npy --rate 0.01 --out result.csv
      keras-vae detect vae.keras new.csv --calibration usual.csv --fdr 0.1
    """
    if not model.exists():
        raise FileNotFoundError(f"no file {str(model)!r}; give the .keras file of a model.")
    if out is not None and out.suffix != ".csv":
        raise ValueError(f"--out {out}: the result is a table; give it a name that ends in .csv.")
    kv = package.load(backend)
    from keras_vae.evaluation import conformal

    with console.out.status("Loading"):
        vae = kv.load_model(model)
        beside.check(vae, condition)
        usual = data.load(calibration, array, condition)
        found = data.load(source, array, condition)
    with console.out.status("Detecting"):
        detector = kv.AnomalyDetector(vae, score, draws, seed, two_sided)
        detector.calibrate(usual.inputs(), rate)
        if fdr is not None:
            conformal.check_rate("level", fdr)
        scores = detector.score(found.inputs())
        p = detector.p_value_of_scores(scores)
        odd = conformal.at_most(p, rate) if fdr is None else conformal.benjamini_hochberg(p, fdr)
    if out is not None:
        _write(out, scores, p, odd)
    promise = f"at a rate of {rate:g}" if fdr is None else f"at a false discovery rate of {fdr:g}"
    console.table(
        f"{model} on {len(odd):,} rows of {source}",
        [
            ("anomalies", f"{int(odd.sum()):,}", f"{odd.mean():.1%} of the rows, {promise}"),
            ("usual", f"{int((~odd).sum()):,}", ""),
            ("strangest", f"{scores.max():,.4g}", f"row {int(scores.argmax())}"),
        ],
    )
    console.out.print(f"\n{detector.report()}")
    if out is not None:
        console.out.print(f"\nWrote [bold]{out}[/]")


def _write(path, scores, p, odd):
    with written_beside(path) as beside_it, open(beside_it, "w", encoding="utf-8", newline="") as f:
        table = csv.writer(f)
        table.writerow(["row", "score", "p_value", "anomaly"])
        for row, (score, p_value, is_odd) in enumerate(zip(scores, p, odd, strict=True)):
            table.writerow([row, f"{score:.7g}", f"{p_value:.7g}", int(is_odd)])
