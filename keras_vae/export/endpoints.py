"""What a trained VAE is exported as: named functions from arrays to arrays."""

import os
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_vae.export.refusal import ExportError, refusal

# With a larger difference the exported file does not compute what the model does.
TOLERANCE = 1e-4


class Endpoint(NamedTuple):
    """A function of the model to export.

    Attributes:
        function: from a tensor to a tensor or a dict of tensors by name.
        input_name: what the input is called.
        features: shape of one sample of the input.
        output_name: what the output is called, unless it is a dict.
    """

    function: Callable
    input_name: str
    features: tuple
    output_name: str | None = None

    @property
    def input_spec(self) -> keras.InputSpec:
        """The input of any batch size, float32."""
        return keras.InputSpec(shape=(None, *self.features), dtype="float32", name=self.input_name)

    def named_outputs(self, x) -> dict:
        """Returns the outputs for the tensor x, by name."""
        outputs = self.function(x)
        return outputs if isinstance(outputs, dict) else {self.output_name: outputs}

    def largest_difference(self, run: Callable, batch_sizes: tuple[int, ...]) -> float:
        """Compares the exported function with the model's on random input.

        Args:
            run: from an array `(batch, *features)` to the outputs, as arrays, in
                their order or by name.
            batch_sizes: rows of the inputs to try.

        Returns:
            The largest difference, in parts of the largest value where that is above 1.

        Raises:
            ExportError: if it is not small, or a shape differs.
        """
        rng, largest = np.random.default_rng(0), 0.0
        for n in batch_sizes:
            x = rng.integers(2, size=(n, *self.features)).astype("float32")
            expected = self.named_outputs(ops.convert_to_tensor(x))
            outputs = run(x)
            if not isinstance(outputs, dict):
                outputs = dict(zip(expected, outputs, strict=True))
            for name, value in expected.items():
                value, found = ops.convert_to_numpy(value), outputs[name]
                if value.shape != found.shape:
                    raise ExportError(f"{name} has shape {found.shape}, not {value.shape}.")
                difference = np.max(np.abs(value - found)) / max(1.0, np.max(np.abs(value)))
                if not difference <= TOLERANCE:
                    raise ExportError(f"{name} differs from the model's by {difference:.1e}.")
                largest = max(largest, float(difference))
        return largest


def endpoints(vae) -> dict[str, Endpoint]:
    """Returns the functions of a built VAE by name."""
    x = {"input_name": "x", "features": vae.input_features}
    z = {"input_name": "z", "features": (vae.latent_dim,)}
    found = {
        "reconstruct": Endpoint(vae.call, **x, output_name="reconstruction"),
        "encode": Endpoint(vae.posterior_params, **x),
        "decode": Endpoint(vae.mean_given, **z, output_name="reconstruction"),
    }
    if vae.input_features == vae.target_features:
        found["score"] = Endpoint(vae.score_given, **x, output_name="score")
    return found


class EndpointModel(keras.Model):
    """An endpoint as a Keras model, for the formats that hold one function."""

    def __init__(self, vae, endpoint: Endpoint):
        super().__init__(name="vae")
        self.vae = vae
        self.endpoint = endpoint
        self.output_names = []
        self(ops.zeros((1, *endpoint.features)))  # Keras exports only what was called.

    def call(self, inputs):
        """Returns the outputs as a tuple, or alone, and keeps their names."""
        outputs = self.endpoint.named_outputs(inputs)
        self.output_names = list(outputs)
        outputs = tuple(outputs.values())
        return outputs[0] if len(outputs) == 1 else outputs


def export_each(
    vae, filepath: str | os.PathLike, endpoint: str, format: str, suffix: str, write: Callable
) -> dict[str, float]:
    """Writes one file for `endpoint`, or a folder with one for each.

    Args:
        vae: a built VAE.
        filepath: a file with that suffix, or a folder.
        endpoint: the function that a single file holds.
        format: the name of the format.
        suffix: of the files of the format, with its dot.
        write: a function `(model, path)` that writes an `EndpointModel` and
            returns the largest difference of what it wrote from the model.

    Returns:
        The largest difference of each endpoint written, by name.

    Raises:
        ValueError: if there is no such endpoint.
        ExportError: if an endpoint cannot be written.
    """
    known = endpoints(vae)
    if endpoint not in known:
        raise ValueError(f"Unknown endpoint {endpoint!r}. Known: {', '.join(map(repr, known))}.")
    if str(filepath).endswith(suffix):
        paths = {endpoint: str(filepath)}
    else:
        os.makedirs(filepath, exist_ok=True)
        paths = {name: os.path.join(filepath, name + suffix) for name in known}
    differences = {}
    for name, path in paths.items():
        with refusal(f"`{name}`", format):
            differences[name] = write(EndpointModel(vae, known[name]), path)
    return differences
