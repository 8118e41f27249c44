"""Quantization: smaller and faster LiteRT files, of fewer bits."""

from typing import Any, NamedTuple

import numpy as np

from keras_vae import backend
from keras_vae.export.base import ExportFormat
from keras_vae.export.endpoints import ExportError, endpoints
from keras_vae.reading.batch import opened
from keras_vae.training.beside import Rows
from keras_vae.validation.arguments import check_choice

# By kind, the largest difference from the model that is no error, in parts of the largest value.
TOLERANCES = {"float16": 0.01, "dynamic": 0.1, "int8": 0.2}
# Rows that the ranges are measured on, and the result is compared on.
_MAX_ROWS = 500


class Quantization(NamedTuple):
    """How the numbers of a LiteRT file are kept.

    Attributes:
        kind: `"float16"` or `"dynamic"` for the weights alone, as 16-bit floats
            or 8-bit integers; `"int8"` for activations too.
        rows: representative data by the name of the input, `(n, *features)`; may
            be empty but for `"int8"`.
    """

    kind: str
    rows: dict[str, np.ndarray]

    def converter_options(self, names) -> dict:
        """Returns the attributes of TensorFlow's converter, for a function of the named inputs."""
        import tensorflow as tf

        options: dict[str, Any] = {"optimizations": [tf.lite.Optimize.DEFAULT]}
        if self.kind == "float16":
            options["target_spec"] = {"supported_types": [tf.float16]}
        if self.kind == "int8":
            options["representative_dataset"] = lambda: self._samples(names)
        return options

    def _samples(self, names):
        arrays = {name: self.rows[name] for name in names}
        for i in range(len(self.rows["x"])):
            sample = {name: array[i : i + 1] for name, array in arrays.items()}
            yield sample if len(sample) > 1 else list(sample.values())

    def examples(self, names) -> list[np.ndarray] | None:
        """Returns the rows of the named inputs, `None` where there are none."""
        return [self.rows[name] for name in names] if self.rows else None


def quantization(
    vae, format: ExportFormat, kind: str | None, representative
) -> Quantization | None:
    """Returns what the arguments of `VAE.export` ask for, or `None`.

    Raises:
        ValueError: if they do not go together, or the representative data is not
            of the shape of x.
        ExportError: if the backend cannot quantize.
    """
    if kind is None:
        if representative is not None:
            raise ValueError("representative=... is what quantize=... measures on; give both.")
        return None
    check_choice("quantize", kind, tuple(TOLERANCES))
    if not format.quantizes:
        raise ValueError(
            f'quantize={kind!r} goes with format="litert"; received format={format.name!r}. The '
            "runtimes of other formats have quantizers of their own."
        )
    if backend.NAME not in format.quantizes:
        raise ExportError(
            f"The {backend.NAME} backend writes no quantized {format.title}. Instead, save the "
            'model with vae.save("vae.keras"), and load and export it in a process with '
            f"KERAS_BACKEND={' or '.join(format.quantizes)}."
        )
    if representative is None:
        if kind == "int8":
            raise ValueError(
                'quantize="int8" measures the range of each activation: pass representative=x, '
                "some hundred rows of data, (x, y) where score takes a target, or for x a dict "
                '{"x": x, "condition": c}.'
            )
        return Quantization(kind, {})
    return Quantization(kind, _rows(vae, representative))


def _rows(vae, representative):
    inputs = endpoints(vae)["score"].inputs
    names = [name for name in ("x", "y") if name in inputs]
    arrays = representative if isinstance(representative, tuple) else (representative,)
    if len(arrays) != len(names):
        raise ValueError(
            f"representative must be {' and '.join(names)}, as score takes; received "
            f"{len(arrays)} of them{'' if len(names) == 1 else ': pass (x, y)'}."
        )
    x, beside = opened("representative", arrays[0])
    rows = {}
    for name, array in zip(names, (x, *arrays[1:]), strict=True):
        array, features = np.asarray(array), inputs[name]
        if array.shape[1:] != tuple(features) or not len(array):
            raise ValueError(
                f"representative has {name} of shape {array.shape}; the model takes "
                f"(n, {', '.join(map(str, features))})."
            )
        rows[name] = array.astype("float32")
    conditions = vae.beside(inference=True).read(beside, len(rows["x"]))
    rows = {name: _some(array) for name, array in {**rows, **conditions}.items()}
    if conditions:
        beside = {"condition": Rows({name: rows[name] for name in conditions})}
    return rows | {"z": vae.encode(rows["x"], **beside)}


def _some(array):
    return array[np.linspace(0, len(array) - 1, min(len(array), _MAX_ROWS)).astype(int)]
