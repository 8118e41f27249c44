"""Formats to serve a VAE in, one file each."""

import os

from keras_vae.backend.keras_internals import set_build_shapes
from keras_vae.evaluation.draws import check_can_draw
from keras_vae.export.base import ExportFormat, FileFormat
from keras_vae.export.browser_page import BrowserPage
from keras_vae.export.exported_program import ExportedProgram
from keras_vae.export.litert import LiteRT
from keras_vae.export.onnx import ONNX
from keras_vae.export.quantization import quantization
from keras_vae.export.saved_model import SavedModel
from keras_vae.export.tensorflow_serving import TensorFlowServing
from keras_vae.export.triton import Triton
from keras_vae.saving.atomic_write import written_beside

__all__ = ["FORMATS", "ExportFormat", "FileFormat", "export", "get"]

_ALL = (
    SavedModel(),
    ONNX(),
    LiteRT(),
    ExportedProgram(),
    TensorFlowServing(),
    Triton(),
    BrowserPage(),
)
FORMATS = {format.name: format for format in _ALL}


def get(name: str) -> ExportFormat:
    """Returns the format of a name.

    Raises:
        ValueError: for an unknown one; the message lists those known.
    """
    if name not in FORMATS:
        known = ", ".join(map(repr, FORMATS))
        raise ValueError(f"Unknown format {name!r}. Known formats: {known}.")
    return FORMATS[name]


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
    _check_names(vae)
    chosen = get(format)
    if draws:
        _check_draws(vae, chosen)
    how = quantization(vae, chosen, quantize, representative)
    _check_folder(filepath)
    chosen.require()
    if vae.condition is not None:
        # TensorFlow traces the model's own call too, on inputs of the shapes it was built for.
        shapes = {"x": (None, *vae.input_features), "condition": vae.condition.shapes()}
        set_build_shapes(vae, input_shape=shapes)
    with written_beside(filepath) as path:
        return chosen.export(vae, path, endpoint, draws, how)


def _check_names(vae):
    """Raises a ValueError if a condition has a name that no input may have."""
    for name in {} if vae.condition is None else vae.condition.by_name():
        if not (name.isidentifier() and name.isascii()):
            raise ValueError(
                f"The condition {name!r} is to be the name of an input, which is one word of "
                "letters, digits and underscores: give it such a name to export the model."
            )


def _check_folder(filepath):
    """Raises a FileExistsError for a folder that holds other things than an export."""
    names = os.listdir(filepath) if os.path.isdir(filepath) else []
    others = [n for n in names if not any(f.owns(n) for f in FORMATS.values())]
    if others:
        raise FileExistsError(
            f"{filepath} is a folder that holds {sorted(others)[0]!r}, which no export wrote, and "
            "an export takes the place of the whole folder. Give the name of a new one in it."
        )


def _check_draws(vae, format):
    """Raises a ValueError if functions that draw cannot be written."""
    if not format.draws:
        raise ValueError(
            f'draws=True goes with format="tf_saved_model"; received format={format.name!r}, whose '
            "runtimes draw no random numbers by seed. Instead, draw the noise outside: of the "
            "parameters that `encode` gives, z_mean + exp(z_log_var / 2) * noise is a draw of z "
            "from a diagonal normal, to be sent to `decode`."
        )
    check_can_draw(vae.likelihood)
