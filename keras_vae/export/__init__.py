"""Formats to serve a VAE in, one file each."""

import os

from keras_vae.export.endpoints import export_each
from keras_vae.export.exported_program import write_exported_program
from keras_vae.export.litert import write_litert
from keras_vae.export.onnx import write_onnx
from keras_vae.export.refusal import refusal
from keras_vae.export.saved_model import export_saved_model
from keras_vae.files import written_beside

_WRITERS = {
    "onnx": (".onnx", write_onnx),
    "litert": (".tflite", write_litert),
    "torch": (".pt2", write_exported_program),
}


def export(vae, filepath: str | os.PathLike, format: str, endpoint: str) -> dict[str, float]:
    """Writes a built VAE, see `VAE.export`; an export that fails leaves an older one as it was."""
    vae.check_built("export")
    if format != "tf_saved_model" and format not in _WRITERS:
        known = ", ".join(map(repr, ("tf_saved_model", *_WRITERS)))
        raise ValueError(f"Unknown format {format!r}. Known formats: {known}.")
    with written_beside(filepath) as path:
        if format == "tf_saved_model":
            with refusal("the model", format):
                return export_saved_model(vae, path)
        return export_each(vae, path, endpoint, format, *_WRITERS[format])


__all__ = ["export"]
