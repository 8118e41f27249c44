"""What only TensorFlow knows; jax.py and torch.py have the same names."""

import contextlib
import functools
import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from keras_vae.backend import memory, seeds_of_replicas
from keras_vae.backend.keras_internals import (
    distribution_strategy,
    symbolic_build,
    without_symbolic_build,
)
from keras_vae.backend.tensorflow_loop import (
    call_numbers,
    compiled_loop,
    is_cpu,
    to_device,
    wait_for,
    without_gradients,
)
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import plain

__all__ = ["call_numbers", "compiled_loop", "is_cpu", "to_device", "wait_for", "without_gradients"]

# Whether a loop replays a step that was recorded, where it pays off, and compiles nothing.
RECORDS_STEPS = False
# Whether a compiled function takes batches of one size only, as all that XLA compiles.
COMPILES_EACH_SHAPE = False
# Whether Keras's own loop opens a stream once more than it reads it: a tf.data.Dataset of known
# length after each epoch, a torch DataLoader before the first.
OPENS_STREAMS_ONCE_MORE = True
# Whether Keras's own loop opens a torch DataLoader of known length once more after each epoch.
OPENS_LOADERS_AFTER_EPOCHS = False

# Functions of images, a kernel, a bias and the padding of height and width, each before and
# after: a convolution of stride 2, and a transposed one. `None`: Keras's are as good.
strided_convolution = None
strided_convolution_transpose = None


def num_replicas() -> int:
    """Returns how many devices or processes share the batch of the step that runs, else 1."""
    return tf.distribute.get_strategy().num_replicas_in_sync if _replica() else 1


def replica_number() -> int | Tensor:
    """Returns which of these runs this step, from 0."""
    context = _replica()
    return context.replica_id_in_sync_group if context else 0


def sum_over_replicas(x) -> Tensor:
    """Returns the sum of what each of them holds, of one shape; gradients pass through it."""
    context = _replica()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, x) if context else x


def _replica():
    """Returns the context of a step that is shared, or `None`."""
    strategy = tf.distribute.get_strategy()
    return tf.distribute.get_replica_context() if strategy.num_replicas_in_sync > 1 else None


def shared_step(model: keras.Model) -> contextlib.AbstractContextManager:
    """Returns a context in which a step of training or evaluation runs."""
    return contextlib.nullcontext()


def logs_of_step(logs) -> dict:
    """Returns the logs of a step as Keras reduces them over devices."""
    if _replica() is None or process()[1] == 1:
        return logs
    # Over several workers it takes the mean along an axis, which a number has not.
    return {name: tf.reshape(value, (1,)) for name, value in logs.items()}


def metrics_of_all(variables: list) -> contextlib.AbstractContextManager:
    """Returns a context in which the variables of metrics hold the sums over all processes."""
    return contextlib.nullcontext()  # as they always do here


def process(model: keras.Model | None = None) -> tuple[int, int]:
    """Returns the number of this process, from 0, and how many train the model together.

    Args:
        model: the model; `None` for one that is made now.
    """
    strategy = model.distribute_strategy if model else tf.distribute.get_strategy()
    resolver = strategy.cluster_resolver
    if resolver is None:
        return 0, 1
    return resolver.task_id or 0, len(resolver.cluster_spec().as_dict().get("worker", [0]))


def shares(model: keras.Model) -> tuple[int, int, int] | None:
    """Returns the part of each batch that Keras is to be given in this process.

    Returns:
        The number of the part, how many there are, and of what number of rows a batch has to be
        a multiple; `None` where the engine parts batches itself.
    """
    return None


def around_keras(
    model: keras.Model, batch: tuple, is_share: bool
) -> contextlib.AbstractContextManager:
    """Returns a context in which Keras's `fit` or `evaluate` of the model runs.

    Args:
        model: the model, which is built.
        batch: some rows as Keras takes them.
        is_share: whether it is given a process's share of the data only.
    """
    if process(model)[1] == 1:
        return contextlib.nullcontext()
    # Keras would build by the mean of the workers' batches, which are no single tensor each.
    with scope(model):
        symbolic_build(model, batch)
    return without_symbolic_build(model)


def of_all_processes(model: keras.Model, numbers: list[int]) -> np.ndarray:
    """Returns whole numbers of each process, a row for each: `(n_processes, len(numbers))`."""
    number, count = process(model)
    own = np.array(numbers)
    if count == 1:
        return own[None]
    rows = np.zeros((count, len(numbers)))
    rows[number] = own
    strategy = model.distribute_strategy
    n_local = strategy.num_replicas_in_sync // count

    @tf.function(autograph=False)
    def summed():
        return strategy.run(lambda: sum_over_replicas(tf.constant(rows / n_local, tf.float64)))

    total = strategy.experimental_local_results(summed())[0]
    return np.rint(total.numpy()).astype(int)


def as_in_chief(model: keras.Model, variables: list[keras.Variable]) -> None:
    """Gives variables the values that they have in the first process."""
    strategy = model.distribute_strategy

    def take_sums():
        for variable in variables:
            own = tf.convert_to_tensor(variable.value)
            own = tf.where(replica_number() == 0, own, tf.zeros_like(own))
            variable.assign(sum_over_replicas(own))

    @tf.function(autograph=False)
    def on_each():
        strategy.run(take_sums)

    on_each()


def check_can_share(model: keras.Model) -> None:
    """Raises a ValueError if the model is to be trained in a way that is not supported."""
    strategy = model.distribute_strategy
    if isinstance(strategy, tf.distribute.ParameterServerStrategy):
        raise ValueError(
            "Keras 3 does not train under ParameterServerStrategy, which has no step that all "
            "replicas make together. Take tf.distribute.MultiWorkerMirroredStrategy."
        )


def is_distributed(model: keras.Model) -> bool:
    """Returns whether several devices share the model's work."""
    strategy = tf.distribute.get_strategy()
    return tf.distribute.has_strategy() or model.distribute_strategy is not strategy


def is_tracing() -> bool:
    """Returns whether tensors are symbols now, so that their values cannot be read."""
    return tf.inside_function()


def scope(model: keras.Model) -> contextlib.AbstractContextManager:
    """Returns a context in which variables are made where those of the model are to lie."""
    # The one of the scope in which the model was made.
    if model.distribute_strategy is not tf.distribute.get_strategy():
        return model.distribute_strategy.scope()
    return contextlib.nullcontext()


def move_optimizer(optimizer, model: keras.Model) -> None:
    """Lets an optimizer that was made outside of the model's `scope` keep its variables there.

    Raises:
        ValueError: if it has been used.
    """
    strategy = distribution_strategy(optimizer)
    if strategy in (None, model.distribute_strategy):
        return
    if optimizer.built:
        raise ValueError(
            "The optimizer has been used outside of the tf.distribute strategy in whose scope the "
            "model was made. Make a new one, or compile with its name."
        )
    with scope(model):
        # The same object, as its user may hold it.
        vars(optimizer).update(vars(optimizer.from_config(optimizer.get_config())))


def synchronizer(model: keras.Model) -> Callable:
    """Returns a function that brings the model's variables up to date while it trains."""
    return lambda: None


def keep_assigned(model: keras.Model, variables: list) -> None:
    """Keeps what was assigned to variables within an epoch, where the state lies elsewhere then."""


def before_updates(loss) -> Tensor:
    """Returns the loss; its gradient waits for its value.

    TensorFlow drops the order of a read of a weight and its update where the way from one
    to the other leads over the shape of the loss. Without the loss's value on the way, the
    update could come first where the weight's own gradient does not depend on that read.
    """

    @tf.custom_gradient
    def identity(loss):
        return loss, lambda gradient: tf.where(tf.math.is_nan(loss), gradient, gradient)

    return identity(loss)


def normal(shape, seed, dtype: str = "float32") -> Tensor:
    """Draws standard normal noise; arguments as for `keras.random.normal`."""
    if not isinstance(seed, keras.random.SeedGenerator):
        return keras.random.normal(shape, dtype=dtype, seed=plain(seed))
    # stateless_normal gives other numbers under XLA, and made loops 1.5 to 1.9 times as slow.
    seed = tf.cast(tf.math.floormod(seed.next(), tf.int32.max - 1), tf.int32)
    bits = tf.random.stateless_uniform(shape, seed, None, None, tf.int32, alg="philox")
    # 23 of the bits, as more would round to 1, where the inverse is infinite.
    uniform = (tf.cast(tf.bitwise.right_shift(bits, 9), tf.float32) + 0.5) * 2.0**-22
    return tf.cast(math.sqrt(2.0) * tf.math.erfinv(uniform), dtype)


def noise_is_by_element() -> bool:
    """Returns whether the first rows of noise are the same for any number of rows."""
    return False


def own_seeds(generators: list[keras.random.SeedGenerator]) -> None:
    """Lets generators without a seed draw from one of their own, not from the process's."""


def part_seeds(generators: list[keras.random.SeedGenerator]) -> None:
    """Lets each replica draw noise of its own."""
    seeds_of_replicas.part(generators, replica_number)


def compile_inference(function: Callable, model: keras.Model) -> Callable:
    """Compiles `function`, of arrays, that reads the weights of `model`.

    The result sees the weights as they are at each call and traces once per
    shape. It takes and returns NumPy arrays.
    """
    # A partial: TensorFlow counts traces by code, and warns where many models have the same.
    compiled = tf.function(functools.partial(function), reduce_retracing=True)
    return lambda *xs: compiled(*(tf.convert_to_tensor(x) for x in xs)).numpy()


def free_memory() -> int:
    """Returns the bytes that data may take on the device, 2 GiB where nobody knows."""
    return memory.free_in_machine() if is_cpu() else memory.UNKNOWN
