"""Exports a VAE in every format from every backend, and prints the table of docs/serving.md.

A cell is the largest difference between what the file and what the model computes,
in parts of the largest value where that is above 1, or why there is no file. Files run
in virtual environments that hold the format's runtime and NumPy only.

    python benchmarks/exports.py
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch")
RUNTIMES = {
    "tf_saved_model": ("tensorflow",),
    "onnx": ("onnxruntime", "numpy"),
    "litert": ("ai-edge-litert", "numpy"),
    "torch": ("torch", "numpy"),
}
TITLES = {
    "tf_saved_model": "SavedModel",
    "onnx": "ONNX",
    "litert": "LiteRT",
    "torch": "ExportedProgram",
}
ENDPOINTS = ("reconstruct", "encode", "decode", "score", "sample")

EXPORT = """
import json, sys
import keras, numpy as np, keras_vae as kv

folder, format = sys.argv[1:]
keras.utils.set_random_seed(0)
x = kv.datasets.Sprites().sample(96, seed=0)[0][:, ::2, ::2]
vae = kv.VAE(
    kv.VariationalEncoder(6, kv.networks.ConvEncoder((8, 16))),
    kv.networks.ConvDecoder((32, 32, 1), (16, 8)),
)
vae.compile("adam")
vae.fit(x, epochs=2, verbose=0)
try:
    vae.export(folder + "/model", format=format)
except (RuntimeError, ImportError) as error:
    sys.exit(f"NOT {error}")
x = x[:1] if format == "torch" or (format == "litert" and keras.backend.backend() == "torch") else x
params = {k: keras.ops.convert_to_numpy(v) for k, v in vae.posterior_params(x).items()}
np.savez(folder + "/arrays.npz", x=x, z=params["z_mean"], reconstruct=vae.reconstruct(x),
         decode=vae.decode(params["z_mean"]), score=vae.score(x), **params)
"""

RUN = """
import json, sys
import numpy as np

folder, format = sys.argv[1:]
arrays = np.load(folder + "/arrays.npz")
differences = {}

def compare(name, outputs):
    expected = [arrays["z_mean"], arrays["z_log_var"]] if name == "encode" else [arrays[name]]
    differences[name] = max(
        float(np.abs(np.asarray(o) - e).max() / max(1, np.abs(e).max()))
        for o, e in zip(outputs, expected, strict=True)
    )

def load(name):
    path = f"{folder}/model/{name}"
    if format == "onnx":
        import onnxruntime
        session = onnxruntime.InferenceSession(path + ".onnx")
        return lambda x: session.run(None, {session.get_inputs()[0].name: x})
    if format == "torch":
        import torch
        program = torch.export.load(path + ".pt2").module()
        as_tuple = lambda y: y if isinstance(y, (tuple, list)) else (y,)
        return lambda x: [y.detach().numpy() for y in as_tuple(program(torch.tensor(x)))]
    from ai_edge_litert.interpreter import Interpreter
    runner = Interpreter(path + ".tflite").get_signature_runner("serving_default")
    (given,) = runner.get_input_details()
    return lambda x: [value for _, value in sorted(runner(**{given: x}).items())]

if format == "tf_saved_model":
    import tensorflow as tf
    served = tf.saved_model.load(folder + "/model")
    for name in ("reconstruct", "decode", "score"):
        compare(name, [getattr(served, name)(arrays["z" if name == "decode" else "x"])])
    encoded = served.encode(arrays["x"])
    compare("encode", [encoded["z_mean"], encoded["z_log_var"]])
    if hasattr(served, "sample"):
        differences["sample"] = float(np.abs(served.sample(8, 1) - served.sample(8, 1)).max())
else:
    for name in ("reconstruct", "encode", "decode", "score"):
        compare(name, load(name)(arrays["z" if name == "decode" else "x"]))
assert "keras_vae" not in sys.modules
print(json.dumps(differences))
"""


def run(python: str | Path, code: str, folder: str, format: str, backend: str):
    """Runs `code` in a process and returns what it printed last, and its error."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if python != sys.executable:
        environment.pop("PYTHONPATH", None)
    command = [python, "-c", code, folder, format]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder)
    return process.stdout.strip().splitlines()[-1:], process.stderr


def make_environment(folder: Path, packages: tuple[str, ...]) -> Path:
    """Makes a virtual environment that holds `packages` only, and returns its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        constraints = Path(__file__).parents[1] / "scripts" / "constraints.txt"
        install = ("-m", "pip", "install", "-q", "-c", constraints, *packages)
        subprocess.run([python, *install], check=True)
    return python


def cells(backend: str, format: str, environments: Path) -> list[str]:
    """Returns what the table says of a format from a backend, by endpoint."""
    with tempfile.TemporaryDirectory() as folder:
        _, error = run(sys.executable, EXPORT, folder, format, backend)
        if "NOT " in error:
            reason = error.rpartition("NOT ")[2].split(".")[0].strip()
            return [reason, *[""] * (len(ENDPOINTS) - 1)]
        if not Path(folder, "arrays.npz").exists():
            raise RuntimeError(error)
        python = make_environment(environments / format, RUNTIMES[format])
        printed, error = run(python, RUN, folder, format, backend)
        if not printed:
            raise RuntimeError(error)
        found = json.loads(printed[0])
    return [f"{found[name]:.0e}" if name in found else "no" for name in ENDPOINTS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--environments", type=Path, help="where virtual environments are kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environments = (args.environments or Path(folder)).absolute()
        print("| format | from | " + " | ".join(ENDPOINTS) + " |")
        print("|---" * (len(ENDPOINTS) + 2) + "|")
        for format in RUNTIMES:
            for backend in BACKENDS:
                row = cells(backend, format, environments)
                print(f"| {TITLES[format]} | {backend} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
