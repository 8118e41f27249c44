"""What a trained VAE is exported as: named functions from arrays to arrays."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_vae.typing import Tensor

# With a larger difference the exported file does not compute what the model does.
TOLERANCE = 1e-4
_DRAWS = (
    "A layer that draws random numbers whatever `training` says cannot be exported: let it draw "
    "only where `training` is True."
)


class ExportError(RuntimeError):
    """A model or a function of it that a format cannot hold."""


class Endpoint(NamedTuple):
    """A function of the model to export.

    Attributes:
        function: from one tensor per input to a tensor or a dict of tensors by name.
        inputs: by name, the shape of one sample of each input, in the function's order.
        output_name: what the output is called, unless it is a dict.
        check: raises a ValueError for a last input that the function is not for.
    """

    function: Callable
    inputs: dict[str, tuple]
    output_name: str | None = None
    check: Callable | None = None

    def input_specs(self, batch_size: int | None = None) -> dict[str, keras.InputSpec]:
        """Returns the inputs by name, float32, of any or a fixed batch size."""
        return {
            name: keras.InputSpec(shape=(batch_size, *features), dtype="float32", name=name)
            for name, features in self.inputs.items()
        }

    def named_outputs(self, *inputs) -> dict:
        """Returns the outputs for tensors, by name."""
        outputs = self.function(*inputs)
        return outputs if isinstance(outputs, dict) else {self.output_name: outputs}

    def check_repeatable(self) -> None:
        """Raises an ExportError if the model's function gives other numbers when called again."""
        arrays = self._random_input(np.random.default_rng(0), 3)
        first, again = (self._outputs_of_model(arrays) for _ in range(2))
        for name, value in first.items():
            if not (difference := _difference(value, again[name])) <= TOLERANCE:
                raise ExportError(
                    f"{name} differs from the model's by {difference:.1e} already when the model "
                    f"itself is called again with the same input. {_DRAWS}"
                )

    def largest_difference(
        self,
        run: Callable,
        batch_sizes: tuple[int, ...],
        tolerance: float = TOLERANCE,
        examples: list[np.ndarray] | None = None,
    ) -> float:
        """Compares the exported function with the model's, on random input by default.

        The exported function is called twice, so that one that draws random
        numbers is found even where its first are those of the model.

        Args:
            run: from an array `(batch, *features)` per input to the outputs, as
                arrays, in their order or by name.
            batch_sizes: rows of the inputs to try.
            tolerance: the largest difference that is no error.
            examples: an array per input to try, as a further batch, in place of
                random numbers.

        Returns:
            The largest difference, in parts of the largest value where that is above 1.

        Raises:
            ExportError: if it is not small, or a shape differs.
        """
        rng, largest = np.random.default_rng(0), 0.0
        if examples is None:
            batches = [self._random_input(rng, n) for n in batch_sizes]
        else:
            batches = [[array[:n] for array in examples] for n in (*batch_sizes, None)]
        for arrays in batches:
            expected = self._outputs_of_model(arrays)
            found, again = (_by_name(run(*arrays), expected) for _ in range(2))
            for name, value in expected.items():
                if value.shape != found[name].shape:
                    raise ExportError(f"{name} has shape {found[name].shape}, not {value.shape}.")
                if not (drawn := _difference(found[name], again[name])) <= TOLERANCE:
                    raise ExportError(
                        f"{name} differs from the model's by {drawn:.1e} or more: what was written "
                        f"gives other numbers when called again with the same input. {_DRAWS}"
                    )
                difference = _difference(value, found[name])
                if not difference <= tolerance:
                    raise ExportError(
                        f"{name} differs from the model's by {difference:.1e}; {tolerance:g} is "
                        "the most that is let pass."
                    )
                largest = max(largest, difference)
        return largest

    def _random_input(self, rng, n):
        shapes = ((n, *features) for features in self.inputs.values())
        bits = [rng.integers(2, size=shape).astype("float32") for shape in shapes]
        try:
            if self.check is not None:
                self.check(bits[-1])
        except ValueError:  # such as of a likelihood of positive numbers
            return [0.1 + 0.8 * array for array in bits]
        return bits

    def _outputs_of_model(self, arrays):
        outputs = self.named_outputs(*map(ops.convert_to_tensor, arrays))
        return {name: ops.convert_to_numpy(value) for name, value in outputs.items()}


def _by_name(outputs, names):
    return outputs if isinstance(outputs, dict) else dict(zip(names, outputs, strict=True))


def _difference(value, other):
    return float(np.max(np.abs(value - other)) / max(1.0, np.max(np.abs(value))))


def endpoints(vae) -> dict[str, Endpoint]:
    """Returns the functions of a built VAE by name.

    `score` takes the target as a second input, `y`, where `fit` had one of its
    own or x is not of its shape.
    """
    x, z = {"x": vae.input_features}, {"z": vae.latent_shape}
    y = {"y": vae.target_features}
    takes_y = vae.own_target or vae.input_features != vae.target_features
    judged = {**x, **y} if takes_y else x
    return {
        "reconstruct": Endpoint(vae.call, x, "reconstruction"),
        "encode": Endpoint(vae.posterior_params, x),
        "decode": Endpoint(vae.mean_given, z, "reconstruction"),
        "score": Endpoint(vae.score_given, judged, "score", vae.likelihood.check_target),
    }


class EndpointModel(keras.Model):
    """An endpoint as a Keras model, for the formats that hold one function.

    It takes a tensor, or a dict of tensors by name where the endpoint has several inputs.
    """

    def __init__(self, vae, endpoint: Endpoint):
        super().__init__(name="vae")
        endpoint.check_repeatable()
        self.vae = vae
        self.endpoint = endpoint
        self.output_names: list[str] = []
        zeros = {name: ops.zeros((1, *shape)) for name, shape in endpoint.inputs.items()}
        self(zeros if len(zeros) > 1 else zeros.popitem()[1])  # Keras exports only what was called.

    def call(self, inputs) -> Tensor | tuple[Tensor, ...]:
        """Returns the outputs as a tuple, or alone, and keeps their names."""
        inputs = [inputs[k] for k in self.endpoint.inputs] if isinstance(inputs, dict) else [inputs]
        named = self.endpoint.named_outputs(*inputs)
        self.output_names = list(named)
        outputs = tuple(named.values())
        return outputs[0] if len(outputs) == 1 else outputs

    def input_signature(self, batch_size: int | None = None) -> list:
        """Returns the inputs as `export` takes them, of any or a fixed batch size."""
        specs = self.endpoint.input_specs(batch_size)
        return [specs] if len(specs) > 1 else list(specs.values())
