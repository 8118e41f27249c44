"""Keras still has each of the private names that the package needs."""

import re
from pathlib import Path

import keras
import pytest

import keras_vae
from keras_vae.backend import keras_internals


@pytest.fixture
def model():
    dropout = keras.layers.Dropout(0.5)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), dropout])
    model.compile("adam", "mse", metrics=["mae"])
    return model


def test_layers_and_seeds(model):
    *_, dropout = model.layers
    assert set(model.layers) < set(keras_internals.flatten_layers(model))
    (generator,) = keras_internals.seed_generators(dropout)
    assert not keras_internals.has_seed(generator)
    keras_internals.set_seed(generator, 7)
    assert keras_internals.has_seed(generator)
    draws = [keras.ops.convert_to_numpy(keras.random.normal((3,), seed=generator)) for _ in "ab"]
    assert (draws[0] != draws[1]).all()


def test_models_and_optimizers(model):
    keras_internals.set_build_shapes(model, input_shape=(None, 3))
    assert model.get_build_config() == {"input_shape": (None, 3)}
    assert keras_internals.has_compiled_metrics(model)
    keras_internals.symbolic_build(model, (keras.ops.zeros((1, 3)), keras.ops.zeros((1, 2))))
    assert keras_internals.optimized_variables(model.optimizer) == model.trainable_variables
    strategy = keras_internals.distribution_strategy(model.optimizer)
    assert (strategy is None) == (keras.backend.backend() != "tensorflow")
    assert keras_internals.stored_value(model.trainable_variables[0]) is not None
    assert not keras_internals.traces_batches(keras.callbacks.TensorBoard())
    assert not keras_internals.writes_old_format()
    if keras.backend.backend() == "jax":
        model.fit(keras.ops.zeros((1, 3)), keras.ops.zeros((1, 2)), verbose=0)
        assert not keras_internals.is_state_elsewhere(model)


def test_what_several_processes_need(model, tmp_path):
    assert keras_internals.initial_epoch(model) == 0
    keras_internals.set_initial_epoch(model, 3)
    assert keras_internals.initial_epoch(model) == 3
    callback = keras.callbacks.BackupAndRestore(tmp_path)
    keras_internals.only_restores(callback)
    callback.set_model(model)
    callback.on_epoch_end(0)
    assert [path.name for path in tmp_path.iterdir()] == ["latest.weights.h5"]
    callback.on_train_end()
    assert tmp_path.exists()
    if keras.backend.backend() == "tensorflow":
        with keras_internals.without_symbolic_build(model):
            model.fit(keras.ops.zeros((1, 3)), keras.ops.zeros((1, 2)), verbose=0)


def test_what_the_tape_of_torch_needs(model):
    assert keras_internals.loss_tracker(model).name == "loss"
    assert keras_internals.given_learning_rate(model.optimizer) is model.optimizer.learning_rate
    seed = keras_internals.GlobalSeed()
    drawn = keras.random.normal((3,))
    seed.restore()
    same = keras.ops.convert_to_numpy(drawn) == keras.ops.convert_to_numpy(
        keras.random.normal((3,))
    )
    assert seed.generator is None or same.all()
    if keras.backend.backend() != "torch":
        return
    model.optimizer.build(model.trainable_variables)
    assert keras_internals.has_own_adam_update(model.optimizer)
    moments = keras_internals.adam_moments(model.optimizer, model.trainable_variables[0])
    assert [m.shape for m in moments] == [model.trainable_variables[0].shape] * 2
    own = keras_internals.own_update(model.optimizer)
    with keras_internals.with_update(model.optimizer, print):
        assert keras_internals.own_update(model.optimizer) is print
    assert keras_internals.own_update(model.optimizer) == own


def test_modules_and_keywords():
    assert keras.layers.Dense.__module__.startswith(keras_internals.LAYERS)
    assert keras.Sequential.__module__.startswith(keras_internals.MODELS)
    trainer = Path(keras.Model.fit.__wrapped__.__code__.co_filename).read_text()
    assert keras_internals.CACHED_EVALUATION in trainer
    if keras.backend.backend() == "torch":
        assert type(keras.optimizers.Adam()).__module__.startswith(keras_internals.TORCH_OPTIMIZERS)


def test_what_is_missing_says_which_versions_are_supported():
    with pytest.raises(RuntimeError, match=rf"Keras {re.escape(keras.__version__)} has no .*3\.15"):
        keras_internals.private(keras.layers.Dense(1), "_no_such_name")


def test_no_other_file_uses_private_names():
    names = re.findall(r'private\(\w+, "(\w+)"\)', Path(keras_internals.__file__).read_text())
    assert len(names) >= 8
    for file in Path(keras_vae.__file__).parent.rglob("*.py"):
        if file.name != "keras_internals.py":
            text = file.read_text()
            assert "keras.src" not in text, file
            assert not [name for name in names if re.search(rf"\.{name}\b", text)], file
