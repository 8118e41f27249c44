"""`keras-vae evaluate`: what a saved model is worth on data."""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from keras_vae.cli import beside, console, data, package, report
from keras_vae.cli import labels as learned

SPRITES = 1_000_003  # the seed of others than those that train draws


def evaluate(
    model: Annotated[Path, typer.Argument(help="The .keras file of a model.")],
    source: Annotated[str, typer.Argument(
        metavar="DATA", help="As for train: a file, a folder of images or a name. 'sprites' are "
        "others than those that train draws; 'mnist' and the like are the same.")],
    array: Annotated[str | None, typer.Option(help="Name of the array in a .npz file.")] = None,
    condition: Annotated[str | None, typer.Option(
        help="Of a model with a condition: the name of it in DATA, as for train.")] = None,
    labels: Annotated[str | None, typer.Option(
        help="Of a model that classifies, or with --report: the name of the classes in DATA, as "
        "for train.")] = None,
    factors: Annotated[str | None, typer.Option(
        help="With --report: names of what is known to vary, such as shape,scale, found as labels "
        "are, to judge the code by.")] = None,
    rows: Annotated[int, typer.Option(
        min=0, help="At most so many rows, taken evenly from the data; 0 for all.")] = 1_000,
    draws: Annotated[int, typer.Option(
        min=0, help="Draws of z per row for log p(x); the more, the tighter. 0 leaves it out."
    )] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of these draws.")] = 0,
    json_file: Annotated[Path | None, typer.Option(
        "--json", help="A file to write the numbers to as well.")] = None,
    report_folder: Annotated[Path | None, typer.Option(
        "--report", help="A folder to write: a page with pictures, and all numbers as JSON."
    )] = None,
    backend: Annotated[str | None, typer.Option(
        help="What Keras computes with: tensorflow, jax or torch.",
        show_default="$KERAS_BACKEND, else tensorflow")] = None,
) -> None:  # fmt: skip
    """Say what a model is worth: its bound, its terms, log p(x) and the code in use.

    All are means over the rows, in nats. The negative ELBO is at least -log p(x), which is
    estimated by importance sampling; of a model with classes to find it is log p(x|y) of the
    likeliest. With --labels the accuracy is said too.

    [bold]Examples[/]

      keras-vae evaluate vae.keras test.npy
      keras-vae evaluate vae.keras sprites --draws 1000 --json results.json
      keras-vae evaluate vae.keras sprites --labels shape --factors shape,x,y --report report
    """
    if not model.exists():
        raise FileNotFoundError(f"no file {str(model)!r}; give the .keras file of a model.")
    names = [name.strip() for name in (factors or "").split(",") if name.strip()]
    if report_folder is None and names:
        raise ValueError("--factors goes with --report, which judges the code by them.")
    if report_folder is not None:
        report.check(report_folder, needs_sklearn=bool(labels or names))
    kv = package.load(backend)
    with console.out.status("Loading"):
        vae = kv.load_model(model)
        learned.check_model(vae, labels, condition, probes=report_folder is not None)
        beside.check(vae, condition)
        found = data.load(source, array, condition, SPRITES, max(rows, 1_000), labels, names)
    n_rows = len(found.x)
    if 0 < rows < n_rows:
        found = found.rows(np.linspace(0, n_rows - 1, rows).astype(int))
    if report_folder is not None:
        report.check_data(vae, found, labels)
    with console.out.status("Evaluating"):
        accuracy = None
        if vae.has_classifier and labels is not None:
            accuracy = learned.accuracy(vae, found._replace(factors=None))
        results = measure(vae, found._replace(labels=None).inputs(), draws, seed)
    results["rows"] = len(found.x)
    if accuracy is not None:
        results["accuracy"], results["labelled_rows"] = accuracy
    if json_file is not None:
        json_file.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    of = "" if results["rows"] == n_rows else f" of {n_rows:,}"
    title, table = f"{model} on {results['rows']:,}{of} rows of {source}", _rows(results, vae)
    console.table(title, table)
    if json_file is not None:
        console.out.print(f"\nWrote [bold]{json_file}[/]")
    if report_folder is not None:
        with console.out.status("Writing the report"):
            made = report.make(vae, found, results, names, seed)
            made.tables.insert(0, report.Table("What the model is worth", table))
            settings = {
                "model_file": str(model), "data": source, "array": array, "condition": condition,
                "labels": labels, "factors": names or None, "rows": results["rows"],
                "rows_of_data": n_rows, "draws": draws, "seed": seed,
            }  # fmt: skip
            report.write(report_folder, made, title, settings, vae)
        console.out.print(f"\nWrote [bold]{report_folder}/[/]: {report.PAGE}, {report.NUMBERS}")


def measure(vae, inputs, draws: int, seed: int) -> dict[str, float]:
    """Returns the numbers by name: nats, means over the rows of x, or of a dict of x and more."""
    if not vae.compiled:
        vae.compile()
    logs = vae.evaluate(inputs, batch_size=128, verbose=0, return_dict=True)
    names = ("negative_elbo", "reconstruction_loss", "kl_loss")
    results = {name: float(logs[name]) for name in names if name in logs}
    if draws and vae.objective.needs_kl:
        estimate = vae.log_likelihood(inputs, draws, seed=seed)
        results["log_likelihood"] = float(estimate.log_likelihood.mean())
        results["effective_sample_size"] = float(np.median(estimate.effective_sample_size))
        results["draws"] = draws
    results["active_units"] = vae.active_units(inputs)
    return results


def _rows(results, vae):
    def row(name, key, meaning):
        return name, f"{results[key]:,.2f}", meaning

    lines = [
        ("negative ELBO", "negative_elbo", "nats; lower is better"),
        ("reconstruction", "reconstruction_loss", "-log p(x|z), a part of it"),
        ("KL", "kl_loss", "KL(q(z|x) ‖ p(z)), the other part"),
    ]
    rows = [row(*line) for line in lines if line[1] in results]
    if "log_likelihood" in results:
        size = f"effective {results['effective_sample_size']:,.1f} of {results['draws']:,} draws"
        name = "log p(x|y)" if vae.goes_through_classes else "log p(x)"
        rows.append(row(name, "log_likelihood", f"nats, estimated; {size}"))
    used = f"{results['active_units']} of {vae.latent_dim}"
    rows.append(("active units", used, "latent dimensions in use"))
    if "accuracy" in results:
        rows.append(learned.row((results["accuracy"], results["labelled_rows"])))
    return rows
