"""An exported VAE as its runtime gives it: TensorFlow or onnxruntime, and nothing else."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from starlette.exceptions import HTTPException

# A model's endpoints, each with the array that a .npy answer holds.
ENDPOINTS = {
    "reconstruct": "reconstruction",
    "encode": None,
    "score": "score",
    "sample": "reconstruction",
}


class Input(NamedTuple):
    """What an endpoint takes.

    shape: with the batch first; None where any size goes. () for one number.
    dtype: float32, or int32 for categories and for the numbers of `sample`.
    """

    shape: tuple[int | None, ...]
    dtype: str


class Endpoint(NamedTuple):
    """A function from arrays by the names of its inputs to a dict of arrays."""

    inputs: tuple[str, ...]
    call: Callable


@dataclass(frozen=True)
class Model:
    """An exported VAE.

    takes: the inputs by name: x, y, those of `sample`, and the conditions.
    endpoints: by name.
    """

    takes: dict[str, Input]
    endpoints: dict[str, Endpoint]

    def conditions(self) -> list[str]:
        """Gives the names of what is given beside x."""
        return sorted(self.takes.keys() - {"x", "y", "n", "seed"})

    def inputs(self, names) -> list[str]:
        """Gives what the named endpoints take together: x first, then conditions, a target last."""
        given = {given for name in names for given in self.endpoints[name].inputs}
        return sorted(given, key=lambda name: (name != "x", name in ("y", "seed"), name))

    def run(self, names, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Gives the outputs of the named endpoints, and `anomaly_score` = -`score`."""
        outputs: dict[str, np.ndarray] = {}
        for name in names:
            given, call = self.endpoints[name]
            outputs |= call(**{k: inputs[k] for k in given})
        if "score" in outputs:
            outputs["anomaly_score"] = -outputs["score"]
        return outputs

    def check(self, name: str, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        """Refuses an array that the model does not take as this input."""
        if not (size := self.takes[name].shape):
            if shape != () or dtype.kind not in "iu":
                raise HTTPException(422, f"{name} must be one whole number.")
            return
        features = size[1:]
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
        def call(**arrays):
            tensors = {key: tf.constant(array) for key, array in arrays.items()}
            outputs = model.signatures[name](**tensors)
            if ENDPOINTS[name] is not None:
                outputs = {ENDPOINTS[name]: next(iter(outputs.values()))}
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
    takes = {k: Input(tuple(spec.shape.as_list()), spec.dtype.name) for k, spec in specs.items()}
    return Model(takes, {k: endpoint(k, tuple(inputs)) for k, inputs in given.items()})


def load_onnx(files: dict[str, Path]) -> Model:
    """Loads ONNX files by their endpoints; one without a name is told by its outputs."""
    import onnxruntime

    def endpoint(session):
        given = tuple(tensor.name for tensor in session.get_inputs())
        names = [tensor.name for tensor in session.get_outputs()]

        def call(**arrays):
            return dict(zip(names, session.run(None, arrays), strict=True))

        return Endpoint(given, call)

    options = onnxruntime.SessionOptions()
    # Threads that wait for the next call by spinning take the time of who reads requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    cpu = ["CPUExecutionProvider"]
    sessions = {
        name: onnxruntime.InferenceSession(file, options, providers=cpu)
        for name, file in files.items()
    }
    sessions = {k or endpoint_of(session): session for k, session in sessions.items()}
    tensors = [tensor for session in sessions.values() for tensor in session.get_inputs()]
    takes = {
        tensor.name: Input(
            tuple(size if isinstance(size, int) else None for size in tensor.shape),
            "int32" if tensor.type == "tensor(int32)" else "float32",
        )
        for tensor in tensors
    }
    return Model(takes, {name: endpoint(session) for name, session in sessions.items()})


def endpoint_of(session) -> str:
    """Returns which endpoint an ONNX file holds, from the names of what it takes and gives."""
    if "x" not in [tensor.name for tensor in session.get_inputs()]:
        raise ValueError(f"it has no input x; it must hold one of {', '.join(ENDPOINTS)}")
    outputs = {tensor.name for tensor in session.get_outputs()}
    by_output = {output: name for name, output in ENDPOINTS.items() if output}
    return next((by_output[name] for name in outputs if name in by_output), "encode")
