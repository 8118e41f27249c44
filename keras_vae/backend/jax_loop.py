"""The compiled loop of steps on JAX."""

from collections.abc import Callable
from functools import partial

import jax
import keras
import numpy as np
from jax import numpy as jnp

from keras_vae.backend.arrays import rows_of

# Sizes of odd batches whose programs are kept; a stream may bring several.
_MAX_SIZES = 16


def is_cpu() -> bool:
    """Returns whether the default device is a CPU."""
    return jax.default_backend() == "cpu"


def to_device(array: np.ndarray) -> np.ndarray | jax.Array:
    """Returns `array` on the device, for which a CPU has nothing to do."""
    return array if is_cpu() else jax.device_put(array)


def without_gradients(step: Callable) -> Callable:
    """Returns the step, which makes nothing ready for gradients."""
    return step


def call_numbers(n: int) -> np.ndarray:
    """Returns the numbers 0 to n - 1 as data for Keras, one a batch of size 1."""
    return np.arange(n)


def wait_for(logs: dict) -> None:
    """Returns when the steps that give these logs are made."""
    jax.block_until_ready(logs)


def compiled_loop(
    model: keras.Model,
    step: Callable,
    loop_by_xla: bool,
    update_by_xla: bool,
    pays_off: bool | None,
) -> tuple[Callable, Callable]:
    """Compiles steps over rows of data that lies on the device.

    Args:
        model: the model.
        step: its `train_step` or `test_step`, from `(state, batch)` to `(logs, state)`.
        loop_by_xla: of no meaning here, where XLA compiles all.
        update_by_xla: likewise.
        pays_off: likewise.

    Returns:
        `many(state, data, rows, n_most)`, which makes a step over each row of
        `rows`, of shape (steps, batch), of which there are `n_most` at most,
        and `one(state, data, rows)`, which makes one step over rows of any
        number. Both give `(logs, state)` of the last step.
    """
    # Jitted, so that it is traced once, for the names of its logs and for the loop.
    traced_step = jax.jit(step)

    def metrics(state):
        with keras.StatelessScope(
            state_mapping=list(zip(model.metrics_variables, state[-1], strict=True))
        ):
            return model.get_metrics_result()

    # The number of steps is an argument, so that one program makes any number.
    @partial(jax.jit, donate_argnums=0, static_argnums=2)
    def loop(state, arrays, places, n_steps):
        def batch(i):
            return tuple(arrays[place][i] for place in places)

        shapes, _ = jax.eval_shape(traced_step, state, batch(0))
        # Metrics need not be computed at each step; other logs, of a user's step, must be.
        are_metrics = shapes.keys() == jax.eval_shape(metrics, state).keys()
        logs = {} if are_metrics else jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

        def one_more(i, carry):
            logs, state = traced_step(carry[1], batch(i))
            return {} if are_metrics else logs, state

        logs, state = jax.lax.fori_loop(0, n_steps, one_more, (logs, state))
        return metrics(state) if are_metrics else logs, state

    compiled_of_size: dict[int, Callable] = {}

    def many(state, data, rows, n_most):
        # Of one length, so that nothing is compiled anew.
        all_rows = np.resize(rows, (n_most, rows.shape[1]))
        return loop(state, *_take(data, all_rows), np.int32(len(rows)))

    def one(state, data, rows):
        arrays, places = _take(data, rows)
        if len(rows) not in compiled_of_size:
            if len(compiled_of_size) == _MAX_SIZES:
                del compiled_of_size[next(iter(compiled_of_size))]
            compiled_of_size[len(rows)] = jax.jit(
                lambda state, arrays, places: step(state, tuple(arrays[i] for i in places)),
                donate_argnums=0,
                static_argnums=2,
            )
        return compiled_of_size[len(rows)](state, arrays, places)

    return many, one


def _take(data, rows):
    """Returns rows of each array, an array twice taken once, and the place of each among them."""
    unique = {id(array): array for array in data}
    places = tuple(list(unique).index(id(array)) for array in data)
    return tuple(_rows_of(array, rows) for array in unique.values()), places


def _rows_of(array, rows):
    if not is_cpu():
        return jnp.take(array, rows, axis=0, mode="clip")
    # XLA compiles each size of the data for this, and takes longer.
    return jax.device_put(rows_of(array, rows), may_alias=True)
