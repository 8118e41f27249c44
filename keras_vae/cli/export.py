"""`keras-vae export`: writes a saved model for a runtime."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from keras_vae.cli import beside, console, data, package

FORMATS = {".onnx": "onnx", ".tflite": "litert", ".pt2": "torch"}


def export(
    model: Annotated[Path, typer.Argument(help="The .keras file of a model.")],
    output: Annotated[Path, typer.Argument(
        help="A folder for all functions of the model, or a .onnx, .tflite or .pt2 file for one.")],
    format: Annotated[str | None, typer.Option(
        help="onnx, litert, tf_saved_model, torch, tensorflow_serving, triton or page.",
        show_default="by the ending of OUTPUT; of a folder tf_saved_model")] = None,
    endpoint: Annotated[str, typer.Option(
        help="The function that a single file holds: reconstruct, encode, decode or score."
    )] = "reconstruct",
    draws: Annotated[bool, typer.Option(
        "--draws", help="Add functions that draw z and x to a SavedModel.")] = False,
    quantize: Annotated[str | None, typer.Option(
        help="Of litert from TensorFlow: float16, dynamic or int8 (with --representative)."
    )] = None,
    representative: Annotated[str | None, typer.Option(
        metavar="DATA", help="Data, as for train, that int8 measures its ranges on.")] = None,
    condition: Annotated[str | None, typer.Option(
        help="Of a model with a condition: the name of it in DATA, as for train.")] = None,
    backend: Annotated[str | None, typer.Option(
        help="What Keras computes with: tensorflow, jax or torch.",
        show_default="$KERAS_BACKEND, else tensorflow")] = None,
) -> None:  # fmt: skip
    r"""Export a model for serving, and compare what was written with the model.

    onnx and litert need pip install "keras-vae\[export]". litert is written on TensorFlow and
    torch, tf_saved_model on TensorFlow and JAX, torch on torch.

    [bold]Examples[/]

      keras-vae export vae.keras served
      keras-vae export vae.keras served --format onnx
      keras-vae export vae.keras encoder.onnx --endpoint encode
      keras-vae export vae.keras small --format litert --quantize float16
      keras-vae export vae.keras page --format page
    """
    if not model.exists():
        raise FileNotFoundError(f"no file {str(model)!r}; give the .keras file of a model.")
    kv = package.load(backend)
    logging.disable(logging.WARNING)  # converters tell much that nobody has asked for
    format = format or FORMATS.get(output.suffix, "tf_saved_model")
    with console.out.status("Exporting"):
        vae = kv.load_model(model)
        rows = None
        if representative is not None:
            beside.check(vae, condition)
            rows = data.load(representative, condition=condition).inputs()
        output.parent.mkdir(parents=True, exist_ok=True)
        differences = vae.export(output, format, endpoint, draws, quantize, rows)
    console.table(
        f"Wrote {output} ({format})",
        [(name, f"{value:.0e}", "") for name, value in differences.items()],
    )
    console.out.print("[dim]The largest difference between file and model, by function.[/]")
