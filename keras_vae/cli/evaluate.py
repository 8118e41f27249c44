"""`keras-vae evaluate`: what a saved model is worth on data."""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from keras_vae.cli import beside, console, data, package
from keras_vae.cli import labels as learned


def evaluate(
    model: Annotated[Path, typer.Argument(help="The .keras file of a model.")],
    source: Annotated[str, typer.Argument(
        metavar="DATA", help="As for train: a file, a folder of images or a name. 'sprites' are "
        "others than those that train draws; 'mnist' and the like are the same.")],
    array: Annotated[str | None, typer.Option(help="Name of the array in a .npz file.")] = None,
    condition: Annotated[str | None, typer.Option(
        help="Of a model with a condition: the name of it in DATA, as for train.")] = None,
    labels: Annotated[str | None, typer.Option(
        help="Of a model that classifies: the name of the classes in DATA, as for train.")] = None,
    rows: Annotated[int, typer.Option(
        min=0, help="At most so many rows, taken evenly from the data; 0 for all.")] = 1_000,
    draws: Annotated[int, typer.Option(
        min=0, help="Draws of z per row for log p(x); the more, the tighter. 0 leaves it out."
    )] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of these draws.")] = 0,
    json_file: Annotated[Path | None, typer.Option(
        "--json", help="A file to write the numbers to as well.")] = None,
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
    """
    if not model.exists():
        raise FileNotFoundError(f"no file {str(model)!r}; give the .keras file of a model.")
    kv = package.load(backend)
    with console.out.status("Loading"):
        vae = kv.load_model(model)
        learned.check_model(vae, labels, condition)
        beside.check(vae, condition)
        found = data.load(source, array, condition, 1_000_003, max(rows, 1_000), labels)
    n_rows = len(found.x)
    if 0 < rows < n_rows:
        found = found.rows(np.linspace(0, n_rows - 1, rows).astype(int))
    with console.out.status("Evaluating"):
        accuracy = None if labels is None else learned.accuracy(vae, found)
        results = measure(vae, found._replace(labels=None).inputs(), draws, seed)
    results["rows"] = len(found.x)
    if accuracy is not None:
        results["accuracy"], results["labelled_rows"] = accuracy
    if json_file is not None:
        json_file.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    _print(results, model, source, n_rows, vae)
    if json_file is not None:
        console.out.print(f"\nWrote [bold]{json_file}[/]")


def measure(vae, inputs, draws: int, seed: int) -> dict[str, float]:
    """Returns the numbers by name: nats, means over the rows of x, or of a dict of x and more."""
    if not vae.compiled:
        vae.compile()
    logs = vae.evaluate(inputs, batch_size=128, verbose=0, return_dict=True)
    results = {
        "negative_elbo": float(logs["negative_elbo"]),
        "reconstruction_loss": float(logs["reconstruction_loss"]),
        "kl_loss": float(logs["kl_loss"]),
    }
    if draws:
        estimate = vae.log_likelihood(inputs, draws, seed=seed)
        results["log_likelihood"] = float(estimate.log_likelihood.mean())
        results["effective_sample_size"] = float(np.median(estimate.effective_sample_size))
        results["draws"] = draws
    results["active_units"] = vae.active_units(inputs)
    return results


def _print(results, model, source, n_rows, vae):
    def row(name, key, meaning):
        return name, f"{results[key]:,.2f}", meaning

    rows = [
        row("negative ELBO", "negative_elbo", "nats; lower is better"),
        row("reconstruction", "reconstruction_loss", "-log p(x|z), a part of it"),
        row("KL", "kl_loss", "KL(q(z|x) ‖ p(z)), the other part"),
    ]
    if "log_likelihood" in results:
        size = f"effective {results['effective_sample_size']:,.1f} of {results['draws']:,} draws"
        name = "log p(x|y)" if vae.goes_through_classes else "log p(x)"
        rows.append(row(name, "log_likelihood", f"nats, estimated; {size}"))
    used = f"{results['active_units']} of {vae.latent_dim}"
    rows.append(("active units", used, "latent dimensions in use"))
    if "accuracy" in results:
        rows.append(learned.row((results["accuracy"], results["labelled_rows"])))
    of = "" if results["rows"] == n_rows else f" of {n_rows:,}"
    console.table(f"{model} on {results['rows']:,}{of} rows of {source}", rows)
