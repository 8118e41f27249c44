"""The backend that runs, chosen once. Nothing outside of this folder asks which one it is.

A backend is a module of these names: tensorflow.py, jax.py, torch.py.
"""

import importlib

import keras
from keras import ops

from keras_vae.backend.arrays import as_floatx, rows_of
from keras_vae.typing import Tensor

NAME = keras.backend.backend()
if NAME not in ("tensorflow", "jax", "torch"):
    raise ImportError(
        f"keras_vae runs on TensorFlow, JAX and torch, not on {NAME}. Set KERAS_BACKEND to one of "
        "tensorflow, jax and torch before Keras is imported."
    )
_chosen = importlib.import_module(f"keras_vae.backend.{NAME}")

COMPILES_EACH_SHAPE = _chosen.COMPILES_EACH_SHAPE
OPENS_LOADERS_AFTER_EPOCHS = _chosen.OPENS_LOADERS_AFTER_EPOCHS
OPENS_STREAMS_ONCE_MORE = _chosen.OPENS_STREAMS_ONCE_MORE
RECORDS_STEPS = _chosen.RECORDS_STEPS
around_keras = _chosen.around_keras
as_in_chief = _chosen.as_in_chief
before_updates = _chosen.before_updates
call_numbers = _chosen.call_numbers
check_can_share = _chosen.check_can_share
compile_inference = _chosen.compile_inference
compiled_loop = _chosen.compiled_loop
free_memory = _chosen.free_memory
is_cpu = _chosen.is_cpu
is_distributed = _chosen.is_distributed
is_tracing = _chosen.is_tracing
keep_assigned = _chosen.keep_assigned
logs_of_step = _chosen.logs_of_step
metrics_of_all = _chosen.metrics_of_all
move_optimizer = _chosen.move_optimizer
noise_is_by_element = _chosen.noise_is_by_element
normal = _chosen.normal
num_replicas = _chosen.num_replicas
of_all_processes = _chosen.of_all_processes
own_seeds = _chosen.own_seeds
part_seeds = _chosen.part_seeds
process = _chosen.process
replica_number = _chosen.replica_number
scope = _chosen.scope
shared_step = _chosen.shared_step
shares = _chosen.shares
strided_convolution = _chosen.strided_convolution
strided_convolution_transpose = _chosen.strided_convolution_transpose
sum_over_replicas = _chosen.sum_over_replicas
synchronizer = _chosen.synchronizer
to_device = _chosen.to_device
wait_for = _chosen.wait_for
without_gradients = _chosen.without_gradients

__all__ = [
    "COMPILES_EACH_SHAPE",
    "NAME",
    "OPENS_LOADERS_AFTER_EPOCHS",
    "OPENS_STREAMS_ONCE_MORE",
    "RECORDS_STEPS",
    "around_keras",
    "as_floatx",
    "as_in_chief",
    "before_updates",
    "call_numbers",
    "check_can_share",
    "compile_inference",
    "compiled_loop",
    "convolves_by_matrices",
    "free_memory",
    "is_cpu",
    "is_distributed",
    "is_tracing",
    "keep_assigned",
    "logs_of_step",
    "metrics_of_all",
    "move_optimizer",
    "noise_is_by_element",
    "normal",
    "normal_draws",
    "num_replicas",
    "of_all_processes",
    "on_device",
    "own_seeds",
    "part_seeds",
    "process",
    "replica_number",
    "rows_of",
    "scope",
    "shared_step",
    "shares",
    "strided_convolution",
    "strided_convolution_transpose",
    "sum_over_replicas",
    "synchronizer",
    "to_device",
    "wait_for",
    "without_gradients",
]


def on_device(arrays: tuple) -> tuple:
    """Puts arrays on the device, floats as `keras.config.floatx()`; an array twice is put once."""
    put = {}
    for array in arrays:
        if id(array) not in put:
            put[id(array)] = to_device(as_floatx(array))
    return tuple(put[id(array)] for array in arrays)


def normal_draws(n: int, shape, seed, dtype: str = "float32") -> Tensor:
    """Draws standard normal noise of shape `(n, *shape)`, `shape` being `(batch, ...)`."""
    if not COMPILES_EACH_SHAPE:
        return normal((n, *shape), seed, dtype)
    # Row by row, so that a row's noise is the same for any number of rows.
    return ops.swapaxes(normal((shape[0], n, *shape[1:]), seed, dtype), 0, 1)


def convolves_by_matrices() -> bool:
    """Returns whether strided convolutions are computed as products of matrices."""
    # XLA's transposed convolutions on a CPU take 7 to 20 times as long.
    return COMPILES_EACH_SHAPE and is_cpu()
