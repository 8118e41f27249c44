"""CompiledInference: what encode, decode, reconstruct and sample run on."""

import functools
from collections.abc import Callable

import numpy as np

from keras_vae.backend import COMPILES_EACH_SHAPE, compile_inference
from keras_vae.reading.batch import packed
from keras_vae.reading.inference_data import InferenceData, padded
from keras_vae.training.beside import Beside
from keras_vae.validation.arguments import check_count
from keras_vae.validation.arrays import check_float16, check_whole_numbers

_FLOAT32 = np.dtype("float32")


class CompiledInference:
    """Compiles a model's functions when first used and runs them over arrays of any size.

    Args:
        model: the model whose weights the functions read.
    """

    def __init__(self, model):
        self.model = model
        self.compiled = {}

    def clear(self) -> None:
        """Forgets what was compiled, as a model whose layers have changed must."""
        self.compiled.clear()

    def __call__(
        self,
        name: str,
        function: Callable,
        x,
        features: tuple,
        batch_size: int,
        y=None,
        target_features: tuple | None = None,
        check: Callable | None = None,
        seeds: Callable[[int], np.ndarray] | None = None,
        condition=None,
        main: str = "x",
        reader: Beside | None = None,
    ) -> np.ndarray:
        """Applies `function` in batches.

        The last batch is padded to the size of the others, so that nothing is
        compiled for it; an `x` of one batch is padded to a power of two where
        each size is compiled.

        Args:
            name: what the function is called in errors.
            function: a method of the model, from a tensor `(batch, *features)`,
                or a dict of it and the condition, and the target's where there is
                one, to a tensor with that batch.
            x: data of shape `(n, *features)` in any form that
                `keras_vae.reading.forms` reads; what does not lie in memory, and
                a stream, is read by batches.
            features: the expected shape of one sample of x.
            batch_size: rows per compiled call.
            y: the target, if any; a stream of `(x, y)` brings its own.
            target_features: the shape of one sample of the target, `None` where
                the function takes none.
            check: called with x, and y if any, before they are used.
            seeds: from the number of a batch to its seed, which `function`
                takes as a last tensor.
            condition: what is given beside x, where the model has a condition.
            main: the name of x, `"x"` or `"z"`.
            reader: what reads it, by default as the model needs it.

        Returns:
            Array of shape `(n, ...)`.

        Raises:
            ValueError: if the model is not built or the data is not of that shape.
        """
        compiled = self.compiled.get((name, (main,)))
        is_float32 = type(x) is np.ndarray and x.dtype is _FLOAT32
        is_one = is_float32 and compiled is not None and x.shape == (1, *features)
        if is_one and y is None and seeds is None and condition is None:
            if check is not None:
                check(x)
            return compiled(x)  # the checks below take a tenth of a small model's time
        self.model.check_built(name)
        batch_size = check_count("batch_size", batch_size)
        read = (reader or self.model.beside(inference=True, main=main)).read
        data = InferenceData(name, x, features, y, target_features, check, condition, read, main)
        parts, n = [], 0
        for number, batch in enumerate(data.batches(batch_size)):
            values, rows = batch[main], len(batch[main])
            if self.model.compute_dtype == "float16" and values.dtype == _FLOAT32:
                check_float16("The data", np.nanmin(values), np.nanmax(values))
            check_whole_numbers("The data", values, self.model.dtype_of_whole_numbers)
            size = batch_size if n else _compiled_size(rows, batch_size)
            seed = () if seeds is None else (seeds(number),)
            compiled = self.compile(name, function, tuple(batch), main)
            output = compiled(*(padded(array, size) for array in batch.values()), *seed)[:rows]
            if data.n is None or rows == data.n:
                parts.append(output)
            else:
                if not n:
                    parts = [np.empty((data.n, *output.shape[1:]), output.dtype)]
                parts[0][n : n + rows] = output
            n += rows
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def compile(
        self, name: str, function: Callable, names: tuple[str, ...] = ("x",), main: str = "x"
    ) -> Callable:
        """Returns `function` compiled, of NumPy arrays; the same for the same names.

        Args:
            name: what the function is called.
            function: takes what `keras_vae.reading.batch.packed` makes of the arrays.
            names: of the arrays; the function takes those behind them as they are.
            main: see `packed`.
        """
        key = (name, names)
        if key not in self.compiled:
            on_arrays = functools.partial(_on_packed, function, names, main)
            self.compiled[key] = compile_inference(on_arrays, self.model)
        return self.compiled[key]


def _on_packed(function, names, main, *arrays):
    n = len(names)
    return function(*packed(names, arrays[:n], main), *arrays[n:])


def _compiled_size(n, batch_size):
    if not COMPILES_EACH_SHAPE:
        return n
    return min(1 << (n - 1).bit_length(), batch_size)
