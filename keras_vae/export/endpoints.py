"""What a trained VAE is exported as: named functions from arrays to arrays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import keras
import numpy as np
from keras import ops

from keras_vae.conditions import Condition
from keras_vae.reading.batch import packed
from keras_vae.typing import Tensor

# With a larger difference the exported file does not compute what the model does.
TOLERANCE = 1e-4
_DRAWS = (
    "A layer that draws random numbers whatever `training` says cannot be exported: let it draw "
    "only where `training` is True."
)


class ExportError(RuntimeError):
    """A model or a function of it that a format cannot hold."""


# A dataclass, as Keras and torch.export reorder the dicts of a tuple that a model holds.
@dataclass(frozen=True, eq=False)
class Endpoint:
    """A function of the model to export.

    Attributes:
        function: from one tensor per input to a tensor or a dict of tensors by name.
        inputs: by name, the shape of one sample of each input, in the function's order.
        output_name: what the output is called, unless it is a dict.
        check: raises a ValueError for a target, y or else x, that the function is not for.
        conditions: by name, those of the model, whose rows are some of the inputs.
    """

    function: Callable
    inputs: Mapping[str, tuple]
    output_name: str | None = None
    check: Callable | None = None
    conditions: Mapping[str, Condition] = field(default_factory=dict)

    def dtype(self, name: str) -> str:
        """Returns the dtype of an input: that of its rows for a condition, else float32."""
        return self.conditions[name].row_dtype if name in self.conditions else "float32"

    def input_specs(self, batch_size: int | None = None) -> dict[str, keras.InputSpec]:
        """Returns the inputs by name, of any or a fixed batch size."""
        return {
            name: keras.InputSpec(shape=(batch_size, *features), dtype=self.dtype(name), name=name)
            for name, features in self.inputs.items()
        }

    def named_outputs(self, *inputs) -> dict:
        """Returns the outputs for tensors, by name."""
        outputs = self.function(*inputs)
        return outputs if isinstance(outputs, dict) else {self.output_name: outputs}

    def check_repeatable(self) -> None:
        """Raises an ExportError if the model's function gives other numbers when called again."""
        arrays = self.random_input(3)
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
            batches = [self.random_input(n, rng) for n in batch_sizes]
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

    def random_input(self, n: int, rng: np.random.Generator | None = None) -> list[np.ndarray]:
        """Returns n rows of each input that the model can take, unknown conditions among them."""
        rng = rng or np.random.default_rng(0)
        rows = {name: self._random_rows(name, rng, n) for name in self.inputs}
        try:
            if self.check is not None:
                self.check(rows["y"] if "y" in rows else rows["x"])
        except ValueError:  # such as of a likelihood of positive numbers
            others = rows.keys() - self.conditions.keys()
            rows |= {name: 0.1 + 0.8 * rows[name] for name in others}
        return list(rows.values())

    def _random_rows(self, name, rng, n):
        if name not in self.conditions:
            return rng.integers(2, size=(n, *self.inputs[name])).astype("float32")
        condition = self.conditions[name]
        rows = condition.examples(rng, n)
        if condition.unknown is not None and n > 1:
            rows[-1] = condition.unknown_row
        return rows

    def _outputs_of_model(self, arrays):
        outputs = self.named_outputs(*map(ops.convert_to_tensor, arrays))
        return {name: ops.convert_to_numpy(value) for name, value in outputs.items()}


def _by_name(outputs, names):
    return outputs if isinstance(outputs, dict) else dict(zip(names, outputs, strict=True))


def _difference(value, other):
    return float(np.max(np.abs(value - other)) / max(1.0, np.max(np.abs(value))))


def endpoints(vae) -> dict[str, Endpoint]:
    """Returns the functions of a built VAE by name.

    A model that learned from labels has `classify`, to the probabilities of the classes.
    Behind x, or z, each takes the rows of the model's conditions, by their names. `score`
    takes the target as a last input, `y`, where `fit` had one of its own or x is not of
    its shape; a point posterior has no `score`.
    """
    y = {"y": vae.target_features}
    takes_y = vae.own_target or vae.input_features != vae.target_features
    known = {
        "reconstruct": endpoint(vae, vae.call, "x", "reconstruction"),
        "encode": endpoint(vae, vae.of_inputs(vae.posterior_params), "x"),
        "decode": endpoint(vae, vae.of_inputs(vae.mean_given, "z"), "z", "reconstruction"),
    }
    if vae.has_density:
        score = endpoint(vae, vae.of_inputs(vae.score_given), "x", "score", y if takes_y else {})
        known["score"] = replace(score, check=vae.likelihood.check_target)
    if vae.has_classifier and vae.classifies_codes:
        function = vae.of_inputs(vae.class_probabilities_given)
        known["classify"] = endpoint(vae, function, "x", "probabilities")
    elif vae.has_classifier:
        x = {"x": vae.input_features}
        # Of one argument: TensorFlow has no code for the default of the other.
        known["classify"] = Endpoint(lambda x: vae.class_probabilities_given(x), x, "probabilities")
    return known


def endpoint(
    vae,
    function: Callable,
    main: str,
    output_name: str | None = None,
    others: Mapping[str, tuple] = MappingProxyType({}),
) -> Endpoint:
    """Returns the endpoint of a function of x, or codes, and the rows of the conditions.

    Args:
        vae: the VAE.
        function: from a tensor, or a dict of it and `condition`, and from the others.
        main: `"x"` or `"z"`.
        output_name: what the output is called, unless it is a dict.
        others: by name, the shape of one sample of each further input.
    """
    conditions = {} if vae.condition is None else vae.condition.by_name()
    rows = {name: condition.row_shape for name, condition in conditions.items()}
    inputs = {main: vae.input_features if main == "x" else vae.latent_shape, **rows, **others}
    names = (main, *rows)

    def of_tensors(*tensors):
        n = len(names)
        return function(*packed(names, tensors[:n], main), *tensors[n:])

    return Endpoint(of_tensors, inputs, output_name, conditions=conditions)


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
        zeros = {
            name: ops.zeros((1, *shape), endpoint.dtype(name))
            for name, shape in endpoint.inputs.items()
        }
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
