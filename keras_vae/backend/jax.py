"""What only JAX knows. The names are those of tensorflow.py, which documents them, and torch.py."""

import contextlib
import weakref
from collections.abc import Callable, Iterator

import jax
import keras
import numpy as np
from jax.experimental import multihost_utils
from jax.extend.core import jaxpr_as_fun
from keras import ops

from keras_vae.backend import memory
from keras_vae.backend.jax_loop import (
    call_numbers,
    compiled_loop,
    is_cpu,
    to_device,
    wait_for,
    without_gradients,
)
from keras_vae.backend.keras_internals import is_state_elsewhere, stored_value
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import plain

__all__ = ["call_numbers", "compiled_loop", "is_cpu", "to_device", "wait_for", "without_gradients"]

RECORDS_STEPS = False
COMPILES_EACH_SHAPE = True
OPENS_LOADERS_AFTER_EPOCHS = False
OPENS_STREAMS_ONCE_MORE = False

strided_convolution = None
strided_convolution_transpose = None


def num_replicas() -> int:
    # One program runs over all devices and processes: its batch is the whole one.
    return 1


def replica_number() -> int:
    return 0


def sum_over_replicas(x) -> Tensor:
    return x


def shared_step(model: keras.Model) -> contextlib.AbstractContextManager:
    return contextlib.nullcontext()


def logs_of_step(logs) -> tuple | dict:
    return logs


def metrics_of_all(variables: list) -> contextlib.AbstractContextManager:
    return contextlib.nullcontext()


def process(model: keras.Model | None = None) -> tuple[int, int]:
    is_shared = keras.distribution.distribution() is not None
    return (jax.process_index(), jax.process_count()) if is_shared else (0, 1)


def shares(model: keras.Model) -> tuple[int, int, int] | None:
    distribution = keras.distribution.distribution()
    if distribution is None:
        return None
    mesh = distribution.device_mesh
    n_parts = mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]
    number, count = process()
    # A batch that is parted over no devices is read whole by each process.
    return (number, count, n_parts) if n_parts > 1 else (0, 1, 1)


@contextlib.contextmanager
def around_keras(model: keras.Model, batch: tuple, is_share: bool) -> Iterator[None]:
    distribution = keras.distribution.distribution()
    if not is_share or distribution is None:
        yield
        return
    before = distribution.auto_shard_dataset
    # Keras takes nothing but tf.data from several processes otherwise, and parts it itself.
    distribution.auto_shard_dataset = False
    try:
        yield
    finally:
        distribution.auto_shard_dataset = before


def of_all_processes(model: keras.Model, numbers: list[int]) -> np.ndarray:
    own = np.array(numbers, "int32")
    return own[None] if process(model)[1] == 1 else multihost_utils.process_allgather(own)


def as_in_chief(model: keras.Model, variables: list[keras.Variable]) -> None:
    for variable in variables:
        if variable.value.is_fully_replicated:
            own = np.asarray(variable.value)
            variable.assign(multihost_utils.broadcast_one_to_all(own))


def check_can_share(model: keras.Model) -> None:
    if jax.process_count() > 1 and keras.distribution.distribution() is None:
        raise ValueError(
            f"{jax.process_count()} processes of jax.distributed would each train a model of "
            "their own. Before the model is made, call keras.distribution.set_distribution("
            "keras.distribution.DataParallel())."
        )


def is_distributed(model: keras.Model) -> bool:
    return keras.distribution.distribution() is not None


def is_tracing() -> bool:
    return isinstance(ops.zeros(()) + 0, jax.core.Tracer)


def scope(model: keras.Model) -> contextlib.AbstractContextManager:
    return contextlib.nullcontext()


def move_optimizer(optimizer, model: keras.Model) -> None:
    pass


def synchronizer(model: keras.Model) -> Callable:
    reference = weakref.ref(model)

    def synchronize():
        model = reference()
        if model is not None:
            model.jax_state_sync()

    return synchronize


def keep_assigned(model: keras.Model, variables: list) -> None:
    if not is_state_elsewhere(model):
        return
    stored = [(variable, stored_value(variable)) for variable in variables]
    assigned = [(variable, value) for variable, value in stored if value is not None]
    if assigned:
        model.jax_state_sync()
        for variable, value in assigned:
            variable.assign(value)


def before_updates(loss) -> Tensor:
    return loss


def normal(shape, seed, dtype: str = "float32") -> Tensor:
    return keras.random.normal(shape, dtype=dtype, seed=plain(seed))


def noise_is_by_element() -> bool:
    # jax gives its config these attributes when it is imported, unknown to type checkers.
    is_threefry = jax.config.jax_default_prng_impl == "threefry2x32"  # type: ignore[attr-defined]
    return is_threefry and jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]


def own_seeds(generators: list[keras.random.SeedGenerator]) -> None:
    pass


def part_seeds(generators: list[keras.random.SeedGenerator]) -> None:
    pass  # a batch has its noise, whoever computes which rows


def compile_inference(function: Callable, model: keras.Model) -> Callable:
    compiled = {}

    def with_current_weights(*xs):
        model.jax_state_sync()
        shapes = tuple((x.shape, x.dtype) for x in xs)
        if shapes not in compiled:
            compiled[shapes] = _compiled_with_weights(function, model.variables, xs)
        stateless, variables = compiled[shapes]
        # Not `value`, which takes as long as a small model for one sample.
        return np.array(stateless([stored_value(v) for v in variables], *xs))

    return with_current_weights


def _compiled_with_weights(function, variables, xs):
    """Returns a function `(values, *xs)` and the variables whose values it takes."""

    def stateless(values, *xs):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*xs)

    traced = jax.make_jaxpr(stateless)([stored_value(v) for v in variables], *xs)
    jaxpr = traced.jaxpr
    read = {id(v) for equation in jaxpr.eqns for v in equation.invars} | set(map(id, jaxpr.outvars))
    # To pass the others as well takes as long as a small layer for one sample.
    used = [i for i in range(len(variables)) if id(jaxpr.invars[i]) in read]

    @jax.jit
    def of_used(values, *xs):
        all_values = dict(zip(used, values, strict=True))
        filled = [all_values.get(i) for i in range(len(variables))]
        (output,) = jaxpr_as_fun(traced)(*filled, *xs)
        return output

    return of_used, [variables[i] for i in used]


def free_memory() -> int:
    if is_cpu():
        return memory.free_in_machine()
    stats = jax.local_devices()[0].memory_stats()
    return stats["bytes_limit"] - stats["bytes_in_use"] if stats else memory.UNKNOWN
