"""Arrays as the compiled loops of all backends take them."""

import math

import keras
import numpy as np
from keras import ops


def rows_of(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns rows of an array, `(*rows.shape, *features)`; the last row for those behind it.

    They lie in memory aligned as the backends need it, which to copy takes longer than to fill.
    """
    shape = (*rows.shape, *array.shape[1:])
    memory = np.empty(math.prod(shape) * array.itemsize + 64, "uint8")
    start = -memory.ctypes.data % 64
    taken = memory[start : len(memory) - 64 + start].view(array.dtype).reshape(shape)
    return np.take(array, rows, axis=0, out=taken, mode="clip")


def as_floatx(array) -> np.ndarray:
    """Returns an array or tensor as NumPy, floats as `keras.config.floatx()`."""
    array = array if isinstance(array, np.ndarray) else ops.convert_to_numpy(array)
    is_other_float = array.dtype.kind == "f" and array.dtype != keras.config.floatx()
    return array.astype(keras.config.floatx()) if is_other_float else array
