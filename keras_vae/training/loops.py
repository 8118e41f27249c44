"""`fit` and `evaluate` by loops of many steps per compiled call, or by Keras's own loop.

Keras runs its own epochs, callbacks and validation, but over calls in place of batches; what it
takes for the function of one step, a `DeviceLoop` or a `StreamLoop`, makes the steps of a call.
"""

import contextlib
import dataclasses
import itertools
from typing import Any

import keras

from keras_vae import backend
from keras_vae.backend.keras_internals import flatten_layers, symbolic_build
from keras_vae.training import device_loop, policy, row_order, stream_loop
from keras_vae.training.data import TrainingData
from keras_vae.training.device_loop import DeviceRows
from keras_vae.training.fit_plan import FitPlan
from keras_vae.training.step_callbacks import StepCallbacks, needs_each_batch


def build(vae, data: TrainingData) -> None:
    """Makes what Keras makes of the first batch, which a loop does not show it."""
    if vae.compiled and not backend.is_distributed(vae):
        symbolic_build(vae, data.first_row())


def applies(vae, data: TrainingData, plan: FitPlan) -> bool:
    """Returns whether a loop does all that Keras's own loop would do."""
    return (
        vae.compiled
        and policy.uses_device_loop(vae)
        and not backend.is_distributed(vae)
        and not isinstance(plan.callbacks, keras.callbacks.CallbackList)
        and plan.shuffle in (True, False)
        and keras.config.max_steps_per_epoch() is None
        and not needs_each_batch(plan.callbacks)
        # Keras would build the others from what a loop does not show it.
        and all(layer.built for layer in flatten_layers(vae))
        and _reads(data, plan.epochs - plan.initial_epoch, plan.steps_per_epoch)
        and (plan.validation_steps is None or _is_stream(plan.validation_data))
    )


def _reads(data, n_epochs, n_steps):
    if not data.in_memory:
        return stream_loop.reads(data, n_epochs, n_steps)
    fits = sum(array.nbytes for array in data.arrays) <= backend.free_memory() / 2
    # The numbers of rows are int32 on the device.
    return n_steps is None and fits and len(data.x) < 2**31


def _is_stream(data):
    return data is not None and not data.has_rows


def fit(vae, data: TrainingData, plan: FitPlan) -> keras.callbacks.History:
    """Runs `keras.Model.fit`, over loops where `applies`."""
    if not applies(vae, data, plan):
        return row_order.fit(vae, data, plan)
    rows = DeviceRows.of(vae, data) if data.in_memory else None
    changed: dict[str, Any] = {
        "validation_split": 0.0,
        "batch_size": 1,
        "shuffle": False,
        "steps_per_epoch": None,
    }
    test_loop = _validation_loop(vae, data, plan, rows)
    train_loop = _train_loop(vae, data, plan, rows)
    if test_loop is not None:
        changed |= {"validation_data": (test_loop.calls,), "validation_batch_size": 1}
        changed["validation_steps"] = None
    elif plan.validation_data is not None:
        size = plan.rows_per_validation_step
        changed["validation_data"] = row_order.for_keras(vae, plan.validation_data, size)
        changed["validation_batch_size"] = size
    changed["callbacks"] = _callbacks(vae, plan, train_loop, test_loop, add_history=True)
    with _in_place_of_steps(vae, train_loop, test_loop):
        return keras.Model.fit(vae, train_loop.calls, **plan.for_keras(**changed))


def _train_loop(vae, data, plan, rows):
    if rows is None:
        return stream_loop.of_training_data(vae, data, plan)
    n = n_rows = data.n_training_rows(plan.validation_split if plan.splits else 0.0)
    orders = None
    if plan.shuffle:
        balance = row_order.Balance.of(data, plan)
        n_rows = n if balance is None else balance.n_rows(n)
        orders = (vae.row_order.next(n, balance) for _ in itertools.count())
    return device_loop.of_rows(vae, "train", plan, rows, 0, n_rows, orders)


def _validation_loop(vae, data, plan, rows):
    """Returns the loop over what is held out, `None` where there is nothing or Keras's own runs."""
    start = data.n_training_rows(plan.validation_split) if plan.splits else 0
    held_out = data if plan.splits else plan.validation_data
    if held_out is None:
        return None
    if held_out.in_memory:
        rows = rows if plan.splits else DeviceRows.of(vae, held_out)
        return device_loop.of_rows(vae, "test", plan, rows, start, len(held_out.x))
    # Keras begins each validation anew.
    if not stream_loop.reads(held_out, plan.epochs - plan.initial_epoch, None):
        return None
    return stream_loop.of_validation_data(vae, held_out, plan, start)


def evaluate(
    vae, data: TrainingData, plan: FitPlan, return_dict: bool = False
) -> float | list | dict:
    """Runs `keras.Model.evaluate`, over a loop where `applies`.

    Args:
        vae: the VAE.
        data: what it is evaluated on.
        plan: batch size, verbosity and callbacks, and `validation_steps` for `steps`.
        return_dict: as for Keras.
    """
    options = {"verbose": plan.verbose, "callbacks": plan.callbacks, "return_dict": return_dict}
    looked_at = dataclasses.replace(plan, validation_data=data)
    if not applies(vae, data, looked_at):
        x, y, weights = row_order.for_keras(vae, data, plan.rows_per_step)
        options |= {"sample_weight": weights, "steps": plan.validation_steps}
        is_share = isinstance(x, row_order.Batches) and x.share is not None
        with backend.around_keras(vae, data.first_row(), is_share):
            return keras.Model.evaluate(vae, x, y, plan.batch_size, **options)
    loop = _validation_loop(vae, data, looked_at, None)
    options["callbacks"] = _callbacks(vae, plan, loop, loop)
    with _in_place_of_steps(vae, vae.train_function, loop):
        return keras.Model.evaluate(vae, loop.calls, batch_size=1, **options)


def _callbacks(vae, plan, loop, test_loop, add_history=False):
    return StepCallbacks(
        plan.callbacks,
        loop,
        test_loop,
        add_history=add_history,
        add_progbar=plan.verbose != 0,
        verbose=plan.verbose,
        epochs=plan.epochs,
        steps=loop.n_steps,
        model=vae,
    )


@contextlib.contextmanager
def _in_place_of_steps(vae, train_loop, test_loop):
    """Hands the loops to Keras, which makes a function of its own only where there is none."""
    own = vae.train_function, vae.test_function
    vae.train_function, vae.test_function = train_loop, test_loop or own[1]
    try:
        yield
    finally:
        vae.train_function, vae.test_function = own
        for loop in (train_loop, test_loop):
            if isinstance(loop, stream_loop.StreamLoop):
                loop.close()
