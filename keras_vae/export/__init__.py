"""Formats to serve a VAE in, one file each."""

import functools
import os

from keras_vae.export.endpoints import endpoints, export_each
from keras_vae.export.exported_program import write_exported_program
from keras_vae.export.litert import write_litert
from keras_vae.export.onnx import write_onnx
from keras_vae.export.quantization import quantization
from keras_vae.export.refusal import refusal
from keras_vae.export.saved_model import SAVED_MODEL_NAMES, export_saved_model
from keras_vae.model.draws import check_can_draw
from keras_vae.saving.atomic_write import written_beside

_WRITERS = {
    "onnx": (".onnx", write_onnx),
    "litert": (".tflite", write_litert),
    "torch": (".pt2", write_exported_program),
}


def export(
    vae,
    filepath: str | os.PathLike,
    format: str,
    endpoint: str,
    draws: bool = False,
    quantize: str | None = None,
    representative=None,
) -> dict[str, float]:
    """Writes a built VAE, see `VAE.export`; an export that fails leaves an older one as it was."""
    vae.check_built("export")
    if format != "tf_saved_model" and format not in _WRITERS:
        known = ", ".join(map(repr, ("tf_saved_model", *_WRITERS)))
        raise ValueError(f"Unknown format {format!r}. Known formats: {known}.")
    if draws:
        check_draws(vae, format)
    how = quantization(vae, format, quantize, representative, endpoints(vae))
    check_folder(filepath)
    with written_beside(filepath) as path:
        if format == "tf_saved_model":
            with refusal("the model", format):
                return export_saved_model(vae, path, draws)
        suffix, write = _WRITERS[format]
        write = write if how is None else functools.partial(write, quantization=how)
        return export_each(vae, path, endpoint, format, suffix, write)


def check_folder(filepath: str | os.PathLike) -> None:
    """Raises a FileExistsError for a folder that holds other things than an export."""
    names = os.listdir(filepath) if os.path.isdir(filepath) else []
    suffixes = tuple(suffix for suffix, _ in _WRITERS.values())
    others = [n for n in names if n not in SAVED_MODEL_NAMES and not n.endswith(suffixes)]
    if others:
        raise FileExistsError(
            f"{filepath} is a folder that holds {sorted(others)[0]!r}, which no export wrote, and "
            "an export takes the place of the whole folder. Give the name of a new one in it."
        )


def check_draws(vae, format: str) -> None:
    """Raises a ValueError if functions that draw cannot be written."""
    if format != "tf_saved_model":
        raise ValueError(
            f'draws=True goes with format="tf_saved_model"; received format={format!r}, whose '
            "runtimes draw no random numbers by seed. Instead, draw the noise outside: of the "
            "parameters that `encode` gives, z_mean + exp(z_log_var / 2) * noise is a draw of z "
            "from a diagonal normal, to be sent to `decode`."
        )
    check_can_draw(vae.likelihood)


__all__ = ["export"]
