"""An exported VAE as its runtime gives it: TensorFlow or onnxruntime, and nothing else."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from starlette.exceptions import HTTPException

# A model's endpoints, each with the array that a .npy answer holds.
ENDPOINTS = {"reconstruct": "reconstruction", "encode": None, "score": "score"}
CHUNK = 256  # rows of one call of the model


class Endpoint(NamedTuple):
    """A function from arrays, one for each of its inputs, to a dict of arrays."""

    inputs: tuple[str, ...]
    call: Callable


@dataclass(frozen=True)
class Model:
    """An exported VAE.

    features: by input, the shape of a sample; None where any size goes.
    endpoints: by name.
    """

    features: dict[str, tuple[int | None, ...]]
    endpoints: dict[str, Endpoint]

    def inputs(self, names) -> list[str]:
        """Gives what the named endpoints take together: x, and y where one takes a target."""
        return sorted({given for name in names for given in self.endpoints[name].inputs})

    def run(self, names, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Gives the outputs of the named endpoints, and `anomaly_score` = -`score`."""
        parts = []
        for start in range(0, len(inputs["x"]), CHUNK):
            rows = {k: v[start : start + CHUNK] for k, v in inputs.items()}
            part: dict[str, np.ndarray] = {}
            for name in names:
                given, call = self.endpoints[name]
                part |= call(*(rows[k] for k in given))
            parts.append(part)
        outputs = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        if "score" in outputs:
            outputs["anomaly_score"] = -outputs["score"]
        return outputs

    def check(self, name: str, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        """Refuses an x, or a y, that the model does not take."""
        features = self.features[name]
        takes = f"({', '.join(str(size) for size in ('batch', *features))})"
        if dtype.kind not in "biuf":
            raise HTTPException(422, f"{name} must hold numbers and nothing else, as {takes}.")
        if shape[:1] == (0,):
            raise HTTPException(422, f"{name} is empty. Send at least one sample, as {takes}.")
        pairs = zip((None, *features), shape, strict=False)
        fits = all(found > 0 and size in (None, found) for size, found in pairs)
        if not fits or len(shape) != len(features) + 1:
            fix = f"The model takes {takes}; a single sample is a batch of one."
            raise HTTPException(422, f"{name} has the shape {shape}. {fix}")


def load_model(path: Path) -> Model:
    """Loads a SavedModel, a folder of ONNX files by the names of endpoints, or one ONNX file."""
    if (path / "saved_model.pb").is_file():
        return load_saved_model(path)
    if path.suffix == ".onnx" and path.is_file():
        return load_onnx({"": path})
    if files := {name: f for name in ENDPOINTS if (f := path / f"{name}.onnx").is_file()}:
        return load_onnx(files)
    expected = ".onnx, ".join(ENDPOINTS)
    raise ValueError(f"expected a folder with saved_model.pb, or with {expected}.onnx")


def load_saved_model(path: Path) -> Model:
    """Loads the endpoints that a SavedModel has among its signatures."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    model = tf.saved_model.load(path)

    def endpoint(name, inputs):
        def call(*arrays):
            outputs = getattr(model, name)(*map(tf.constant, arrays))
            outputs = outputs if isinstance(outputs, dict) else {ENDPOINTS[name]: outputs}
            return {key: value.numpy() for key, value in outputs.items()}

        return Endpoint(inputs, call)

    given = {
        name: model.signatures[name].structured_input_signature[1]
        for name in ENDPOINTS
        if name in model.signatures
    }
    if not given:
        raise ValueError(f"it has none of the endpoints {', '.join(ENDPOINTS)}")
    specs = {key: spec for inputs in given.values() for key, spec in inputs.items()}
    features = {key: tuple(spec.shape.as_list()[1:]) for key, spec in specs.items()}
    return Model(features, {k: endpoint(k, tuple(sorted(inputs))) for k, inputs in given.items()})


def load_onnx(files: dict[str, Path]) -> Model:
    """Loads ONNX files by their endpoints; one without a name is told by its outputs."""
    import onnxruntime

    def endpoint(session):
        given = tuple(tensor.name for tensor in session.get_inputs())
        names = [tensor.name for tensor in session.get_outputs()]

        def call(*arrays):
            outputs = session.run(None, dict(zip(given, arrays, strict=True)))
            return dict(zip(names, outputs, strict=True))

        return Endpoint(given, call)

    cpu = ["CPUExecutionProvider"]
    sessions = {k: onnxruntime.InferenceSession(f, providers=cpu) for k, f in files.items()}
    sessions = {k or endpoint_of(session): session for k, session in sessions.items()}
    features = {
        tensor.name: tuple(size if isinstance(size, int) else None for size in tensor.shape[1:])
        for session in sessions.values()
        for tensor in session.get_inputs()
    }
    return Model(features, {name: endpoint(session) for name, session in sessions.items()})


def endpoint_of(session) -> str:
    """Returns which endpoint an ONNX file holds, from the names of what it takes and gives."""
    if "x" not in [tensor.name for tensor in session.get_inputs()]:
        raise ValueError(f"it has no input x; it must hold one of {', '.join(ENDPOINTS)}")
    outputs = {tensor.name for tensor in session.get_outputs()}
    by_output = {output: name for name, output in ENDPOINTS.items() if output}
    return next((by_output[name] for name in outputs if name in by_output), "encode")
