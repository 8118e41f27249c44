"""The private names of Keras that the package needs, all of them.

tests/backend/test_keras_internals.py asks for each: what a new version of Keras lacks shows there.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Self

import keras
from keras.src.trainers.data_adapters.data_adapter import DataAdapter

SUPPORTED = "3.15 and later versions of Keras 3"
# The keyword by which `fit` asks `evaluate` to keep the validation data between epochs.
CACHED_EVALUATION = "_use_cached_eval_dataset"
# The modules of Keras's own models, as classes name them.
MODELS = "keras.src.models."
LAYERS = "keras.src.layers."
TORCH_OPTIMIZERS = "keras.src.backend.torch.optimizers"


class Calls(DataAdapter):
    """What Keras iterates over where a loop reads its data itself: so many calls an epoch.

    Args:
        n: how many, `None` where nobody knows.
        begin_epoch: called before the first of them.
        end_epoch: called after the last of them, and once before the first epoch.
        read: makes ready what a call is made on, or raises StopIteration where there is nothing.
            On torch Keras's epoch ends where its data does, on others where a call says so, which
            therefore reads by itself.
        dataset: a `tf.data.Dataset` on TensorFlow, of which nothing is read.
    """

    def __init__(
        self, n: int | None, begin_epoch: Callable, end_epoch: Callable, read: Callable, dataset
    ):
        self.n, self.read, self.dataset = n, read, dataset
        self.on_epoch_begin, self.on_epoch_end = begin_epoch, end_epoch

    @property
    def num_batches(self) -> int | None:
        return self.n

    def get_tf_dataset(self) -> Any:
        return self.dataset

    def get_jax_iterator(self) -> Iterator:
        return iter(())

    def get_torch_dataloader(self) -> Self:
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> None:
        self.read()


def portable_config(config) -> dict:
    """Returns a serialized optimizer with torch's own classes named as the public ones."""
    if not isinstance(config, dict):
        return config
    config = {key: portable_config(value) for key, value in config.items()}
    if str(config.get("module")).startswith(TORCH_OPTIMIZERS):
        config |= {"module": "keras.optimizers", "registered_name": None}
    return config


def private(thing, name: str) -> Any:
    """Returns a private attribute of one of Keras's objects.

    Raises:
        RuntimeError: if this version of Keras has none of that name.
    """
    try:
        return getattr(thing, name)
    except AttributeError:
        raise RuntimeError(
            f"Keras {keras.__version__} has no {type(thing).__name__}.{name}, which keras_vae "
            f"needs. It supports {SUPPORTED}."
        ) from None


def flatten_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns a layer and all layers in it."""
    return list(private(layer, "_flatten_layers")())


def seed_generators(layer: keras.layers.Layer) -> list[keras.random.SeedGenerator]:
    """Returns the generators that a layer itself draws from, without those of layers in it."""
    return private(layer, "_seed_generators")


def has_seed(generator: keras.random.SeedGenerator) -> bool:
    """Returns whether a generator was given a seed."""
    return private(generator, "_initial_seed") is not None


def set_seed(generator: keras.random.SeedGenerator, seed: int) -> None:
    """Lets a generator without a seed draw as one with that seed."""
    generator._initial_seed = seed


def has_compiled_metrics(model: keras.Model) -> bool:
    """Returns whether a model was compiled with metrics."""
    return private(model, "_compile_metrics") is not None


def set_build_shapes(layer: keras.layers.Layer, **shapes) -> None:
    """Lets a layer that is built be known as built for other shapes, by argument of `build`."""
    private(layer, "_build_shapes_dict")
    layer._build_shapes_dict = shapes


def symbolic_build(model: keras.Model, batch: tuple) -> None:
    """Makes what Keras makes of the first batch of `fit`."""
    private(model, "_symbolic_build")(data_batch=batch)


@contextlib.contextmanager
def without_symbolic_build(model: keras.Model) -> Iterator[None]:
    """Keeps `fit` and `evaluate` on TensorFlow from building a model that is built."""
    private(model, "_maybe_symbolic_build")
    model._maybe_symbolic_build = lambda *args, **kwargs: None
    try:
        yield
    finally:
        del model._maybe_symbolic_build


def initial_epoch(model: keras.Model) -> int:
    """Returns the epoch at which `BackupAndRestore` lets a model go on."""
    return private(model, "_initial_epoch") or 0


def set_initial_epoch(model: keras.Model, epoch: int) -> None:
    """Lets a model go on at an epoch."""
    private(model, "_initial_epoch")
    model._initial_epoch = epoch or None


def only_restores(callback: keras.callbacks.BackupAndRestore) -> None:
    """Lets a callback read its checkpoint, and of what it writes call `save_weights` alone."""
    private(callback, "_save_model")
    path = private(callback, "_weights_path")
    callback._save_model = lambda: callback.model.save_weights(path)
    callback.delete_checkpoint = False


def optimized_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Returns the variables that an optimizer has a state for."""
    return private(optimizer, "_trainable_variables")


def compile_arguments(model: keras.Model) -> dict:
    """Returns the arguments that Keras's `compile` of a model was called with."""
    return dict(private(model, "_compile_config").config)


def put_in_place(model: keras.Model, name: str, layer: keras.layers.Layer) -> None:
    """Sets an attribute of a model, which is built, to another layer.

    It gets the place of the old one among the layers too, on which the order of variables,
    and so a file, depends.
    """
    old = getattr(model, name)
    if layer is not old:
        private(model, "_tracker").replace_tracked_value("layers", old, layer)
        setattr(model, name, layer)


def traces_batches(callback: keras.callbacks.TensorBoard) -> bool:
    """Returns whether a TensorBoard callback profiles batches."""
    return private(callback, "_should_trace")


def stored_value(variable: keras.Variable) -> Any:
    """Returns what a variable holds, not what a scope gives for it; `None` while JAX trains."""
    return private(variable, "_value")


def is_state_elsewhere(model: keras.Model) -> bool:
    """Returns whether JAX's loop holds the state of a model that trains."""
    return not private(model, "_jax_state_synced")


def distribution_strategy(optimizer: keras.optimizers.Optimizer) -> Any:
    """Returns the `tf.distribute` strategy in whose scope an optimizer was made, or `None`."""
    return getattr(optimizer, "_distribution_strategy", None)  # not on other backends


def loss_tracker(model: keras.Model) -> keras.metrics.Metric:
    """Returns the metric in which Keras itself follows the loss of a compiled model."""
    return private(model, "_loss_tracker")


def has_own_adam_update(optimizer: keras.optimizers.Optimizer) -> bool:
    """Returns whether an optimizer updates weights by Keras's Adam, on torch."""
    from keras.src.backend.torch.optimizers.torch_adam import Adam

    is_adam = isinstance(optimizer, Adam)
    return is_adam and type(optimizer)._parallel_update_step is Adam._parallel_update_step


def own_update(optimizer: keras.optimizers.Optimizer) -> Callable:
    """Returns what updates weights on torch, a function `(grads, variables, learning_rate)`."""
    return private(optimizer, "_parallel_update_step")


@contextlib.contextmanager
def with_update(optimizer: keras.optimizers.Optimizer, update: Callable) -> Iterator[None]:
    """Lets another function update weights than `own_update`."""
    optimizer._parallel_update_step = update
    try:
        yield
    finally:
        del optimizer._parallel_update_step


def given_learning_rate(optimizer: keras.optimizers.Optimizer) -> Any:
    """Returns a variable, a schedule or a function, as the learning rate was given."""
    return private(optimizer, "_learning_rate")


def adam_moments(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> tuple:
    """Returns Adam's moments of a variable, on torch, as tensors."""
    place = private(optimizer, "_get_variable_index")(variable)
    moments = private(optimizer, "_momentums"), private(optimizer, "_velocities")
    return tuple(moment[place].value for moment in moments)


class GlobalSeed:
    """What draws without a seed go on from, as it is when this is made."""

    def __init__(self):
        from keras.src.backend.common import global_state
        from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

        self.state, self.name = global_state, GLOBAL_SEED_GENERATOR
        self.generator = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
        self.value = None if self.generator is None else keras.ops.copy(self.generator.state.value)

    def restore(self) -> None:
        """Puts it back."""
        self.state.set_global_attribute(self.name, self.generator)
        if self.generator is not None:
            self.generator.state.assign(self.value)


def writes_old_format() -> bool:
    """Returns whether Keras asks for configs now to write them in its old HDF5 format."""
    from keras.src.backend.common import global_state

    return bool(global_state.get_global_attribute("use_legacy_config"))
