"""`keras-vae impute`: fills what is missing of data."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from keras_vae.cli import beside, console, data, package, table
from keras_vae.saving.atomic_write import written_beside

# With fewer effective draws, a few of them decide.
FEW = 10


def impute(
    model: Annotated[Path, typer.Argument(help="The .keras file of a model.")],
    source: Annotated[Path, typer.Argument(
        metavar="DATA", help="A .npy, .npz or .csv file with holes: NaN, or empty cells.")],
    out: Annotated[Path, typer.Option(
        help="The file to write, .npy, .npz or .csv. A .csv file of a .csv file keeps its names "
        "and columns, and the texts of all cells that are not empty.")],
    array: Annotated[str | None, typer.Option(help="Name of the array in a .npz file.")] = None,
    condition: Annotated[str | None, typer.Option(
        help="Of a model with a condition: the name of it in DATA, as for train.")] = None,
    labels: Annotated[str | None, typer.Option(
        help="Of a model that learned from labels: the name of them, which is left as it is."
    )] = None,
    imputations: Annotated[int, typer.Option(
        min=0, help="Fill each hole so many times by a draw, as an array (imputations, rows, ...) "
        "in a .npy or .npz file; 0 fills it once by the mean.")] = 0,
    draws: Annotated[int, typer.Option(
        min=1, help="Draws of z per row; the more, the closer to what the model says.")] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Of these draws.")] = 0,
    backend: Annotated[str | None, typer.Option(
        help="What Keras computes with: tensorflow, jax or torch.",
        show_default="$KERAS_BACKEND, else tensorflow")] = None,
) -> None:  # fmt: skip
    """Fill the missing values of data by a model that was trained on data with holes.

    What is filled in is the mean of what the model expects where the rest is as observed, or
    with --imputations draws of it, which tell how sure that is. Observed values stay as they
    are.

    [bold]Examples[/]

      keras-vae impute vae.keras table.csv --out filled.csv
      keras-vae impute vae.keras x.npy --out draws.npy --imputations 20
    """
    if not model.exists():
        raise FileNotFoundError(f"no file {str(model)!r}; give the .keras file of a model.")
    _check_files(source, out, imputations)
    kv = package.load(backend)
    with console.out.status("Loading"):
        vae = kv.load_model(model)
        beside.check(vae, condition)
        found = data.load(str(source), array, condition, labels=labels)
        if source.suffix != ".csv":
            found = found._replace(x=_as_stored(source, array, found.x))
        if out.suffix == ".csv" and found.x.ndim != 2:
            raise ValueError(
                f"{out} cannot hold data of the shape {found.x.shape}; give a .npy file."
            )
    with console.out.status("Imputing"):
        result = vae.impute(
            found._replace(labels=None).inputs(),
            draws,
            imputations or None,
            seed=seed,
            return_ess=True,
        )
    _write(out, source, result.filled, array, (condition, labels))
    _print(found.x, result, source, out, draws)


def _check_files(source, out, imputations):
    if source.suffix not in data.SUFFIXES:
        raise ValueError(f"{source} is no {', '.join(data.SUFFIXES)} file.")
    if out.suffix not in data.SUFFIXES:
        raise ValueError(f"--out {out} must end in one of {', '.join(data.SUFFIXES)}.")
    if imputations and out.suffix == ".csv":
        raise ValueError(
            f"--imputations makes an array of {imputations} tables, which {out} cannot hold. Give "
            "--out a .npy or .npz file."
        )


def _as_stored(source, array, x):
    """Returns the array of a file in its own precision, so that no observed value is rounded."""
    from keras_vae.datasets.load import read_array

    stored = read_array(source, array)
    return stored if stored.dtype.kind == "f" else x


def _write(out, source, filled, array, left_out):
    with written_beside(out) as path:
        if out.suffix == ".npy":
            np.save(path, filled)
        elif out.suffix == ".npz":
            np.savez(path, **{array or "x": filled})
        elif source.suffix == ".csv":
            table.read(source).filled(filled, left_out).write(path)
        else:
            cells = [[repr(value) for value in row] for row in filled.tolist()]
            table.Table(None, cells, ",").write(path)


def _print(x, result, source, out, draws):
    missing = np.isnan(x)
    rows = missing.reshape(len(x), -1).any(axis=1)
    ess = np.median(result.effective_sample_size[rows]) if rows.any() else draws
    lines = [
        ("missing", f"{missing.mean():.1%}", "of the values"),
        ("rows with holes", f"{rows.sum():,}", f"of {len(x):,}"),
        ("effective draws", f"{ess:,.1f}", f"of {draws:,} per row, half of the rows have fewer"),
    ]
    console.table(f"{source} filled", lines)
    if ess < FEW:
        console.note("Few draws decide what is filled in: take more, --draws 10000.")
    console.out.print(f"\nWrote [bold]{out}[/]")
