"""The compiled loop of steps on JAX."""

from collections.abc import Callable
from functools import partial

import jax
import keras
import numpy as np
from jax import numpy as jnp


def to_device(array: np.ndarray) -> jax.Array:
    """Returns `array` on the device; a CPU uses its memory, if that is aligned."""
    return jax.device_put(array, may_alias=True)


def call_numbers(n: int) -> np.ndarray:
    """Returns the numbers 0 to n - 1 as data for Keras, one a batch of size 1."""
    return np.arange(n)


def compiled_loop(model: keras.Model, step: Callable, batch_size: int) -> tuple[Callable, Callable]:
    """Compiles steps over rows of data that lies on the device.

    Args:
        model: the model.
        step: its `train_step` or `test_step`, from `(state, batch)` to `(logs, state)`.
        batch_size: rows of a step.

    Returns:
        `many(state, data, rows, n_steps)`, which makes `n_steps` steps over
        the first of `rows`, and `one(state, data, rows)`, which makes one step
        over all of them. Both give `(logs, state)` of the last step. `data` is
        a tuple of arrays or `None`.
    """
    # Jitted, so that it is traced once, for the names of its logs and for the loop.
    step = jax.jit(step)

    def take(data, rows):
        return jax.tree.map(lambda array: array.at[rows].get(mode="promise_in_bounds"), data)

    def metrics(state):
        with keras.StatelessScope(
            state_mapping=list(zip(model.metrics_variables, state[-1], strict=True))
        ):
            return model.get_metrics_result()

    # The number of steps is an argument, so that one program makes any number.
    @partial(jax.jit, donate_argnums=0)
    def many(state, data, rows, n_steps):
        shapes, _ = jax.eval_shape(step, state, take(data, rows[:batch_size]))
        # Metrics need not be computed at each step; other logs, of a user's step, must be.
        are_metrics = shapes.keys() == jax.eval_shape(metrics, state).keys()
        logs = {} if are_metrics else jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

        def one_more(i, carry):
            batch = jax.lax.dynamic_slice_in_dim(rows, i * batch_size, batch_size)
            logs, state = step(carry[1], take(data, batch))
            return {} if are_metrics else logs, state

        logs, state = jax.lax.fori_loop(0, n_steps, one_more, (logs, state))
        return metrics(state) if are_metrics else logs, state

    @partial(jax.jit, donate_argnums=0)
    def one(state, data, rows):
        return step(state, take(data, rows))

    return many, one
