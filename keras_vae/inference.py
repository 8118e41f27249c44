"""CompiledInference: what encode, decode, reconstruct and sample run on."""

from collections.abc import Callable

import numpy as np
from keras import ops

from keras_vae.shapes import matches
from keras_vae.training import checks
from keras_vae.training.backend import COMPILES_EACH_SHAPE, compile_inference

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

    def __call__(self, name: str, function: Callable, x, features, batch_size: int) -> np.ndarray:
        """Applies `function` in batches.

        The last batch is padded to the size of the others, so that nothing is
        compiled for it; an `x` of one batch is padded to a power of two where
        each size is compiled.

        Args:
            name: what the function is called in errors.
            function: a method of the model, from a tensor `(batch, *features)`
                to a tensor with that batch.
            x: array of shape `(n, *features)`; a memory map is read by batches.
            features: the expected shape of one sample of x.
            batch_size: rows per compiled call.

        Returns:
            Array of shape `(n, ...)`.

        Raises:
            ValueError: if the model is not built or x is not of that shape.
        """
        compiled = self.compiled.get(name)
        is_float32 = type(x) is np.ndarray and x.dtype is _FLOAT32
        if is_float32 and compiled is not None and x.shape == (1, *features):
            return compiled(x)  # the checks below take a tenth of a small model's time
        self.model.check_built(name)
        x = _as_rows(name, x, features)
        compiled = self.compile(name, function)
        if len(x) <= batch_size:
            return compiled(checks.padded(x, _compiled_size(len(x), batch_size)))[: len(x)]
        outputs = None
        for start in range(0, len(x), batch_size):
            batch = np.asarray(x[start : start + batch_size])
            output = compiled(checks.padded(batch, batch_size))[: len(batch)]
            if outputs is None:
                outputs = np.empty((len(x), *output.shape[1:]), output.dtype)
            outputs[start : start + len(batch)] = output
        return outputs

    def compile(self, name: str, function: Callable) -> Callable:
        """Returns `function` compiled, of NumPy arrays; the same for the same name."""
        if name not in self.compiled:
            self.compiled[name] = compile_inference(function, self.model)
        return self.compiled[name]


def _compiled_size(n, batch_size):
    if not COMPILES_EACH_SHAPE:
        return n
    return min(1 << (n - 1).bit_length(), batch_size)


def _as_rows(name, x, features):
    if not isinstance(x, np.ndarray):
        x = ops.convert_to_numpy(x) if checks.is_array(x) else np.asarray(x, dtype="float32")
    if not matches(x.shape, (None, *features)) or not len(x):
        hint = " One sample needs a batch axis: x[None]." if x.shape == tuple(features) else ""
        raise ValueError(
            f"{name} takes an array of shape (n, {', '.join(map(str, features))}) with n > 0; "
            f"received {x.shape}.{hint}"
        )
    # One dtype, so that float64 arrays do not compile a second function.
    return x if x.dtype.kind in "iub" or x.dtype == "float32" else x.astype("float32")
