"""What only torch knows. The names are those of tensorflow.py and jax.py, which document them."""

import contextlib
from collections.abc import Callable

import keras
from keras import ops

from keras_vae.backend import memory, seeds_of_replicas, torch_processes
from keras_vae.backend.keras_internals import has_seed, set_seed
from keras_vae.backend.torch_convolution import (
    strided_convolution,
    strided_convolution_transpose,
)
from keras_vae.backend.torch_inference import RecordedInference
from keras_vae.backend.torch_loop import (
    call_numbers,
    compiled_loop,
    is_cpu,
    to_device,
    wait_for,
    without_gradients,
)
from keras_vae.backend.torch_processes import (
    around_keras,
    as_in_chief,
    check_can_share,
    logs_of_step,
    metrics_of_all,
    num_replicas,
    of_all_processes,
    process,
    replica_number,
    shared_step,
    shares,
    sum_over_replicas,
)
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import plain

__all__ = [
    "around_keras",
    "as_in_chief",
    "call_numbers",
    "check_can_share",
    "compiled_loop",
    "is_cpu",
    "logs_of_step",
    "metrics_of_all",
    "num_replicas",
    "of_all_processes",
    "process",
    "replica_number",
    "shared_step",
    "shares",
    "strided_convolution",
    "strided_convolution_transpose",
    "sum_over_replicas",
    "to_device",
    "wait_for",
    "without_gradients",
]

RECORDS_STEPS = True
COMPILES_EACH_SHAPE = False
OPENS_LOADERS_AFTER_EPOCHS = True
OPENS_STREAMS_ONCE_MORE = False


def is_distributed(model: keras.Model) -> bool:
    return torch_processes.n_processes() > 1


def is_tracing() -> bool:
    return ops.zeros(()).device.type == "meta"


def scope(model: keras.Model) -> contextlib.AbstractContextManager:
    return contextlib.nullcontext()


def move_optimizer(optimizer, model: keras.Model) -> None:
    pass


def synchronizer(model: keras.Model) -> Callable:
    return lambda: None


def keep_assigned(model: keras.Model, variables: list) -> None:
    pass


def before_updates(loss) -> Tensor:
    return loss


def normal(shape, seed, dtype: str = "float32") -> Tensor:
    return keras.random.normal(shape, dtype=dtype, seed=plain(seed))


def noise_is_by_element() -> bool:
    return False


def own_seeds(generators: list[keras.random.SeedGenerator]) -> None:
    # Keras's Dropout without a seed draws from the generator of the process here.
    for generator in generators:
        if not has_seed(generator):
            set_seed(generator, int(ops.convert_to_numpy(generator.state)[0]))


def part_seeds(generators: list[keras.random.SeedGenerator]) -> None:
    seeds_of_replicas.part(generators, replica_number)


def compile_inference(function: Callable, model: keras.Model) -> Callable:
    return RecordedInference(function, model)


def free_memory() -> int:
    return memory.free_in_machine() if is_cpu() else memory.UNKNOWN
