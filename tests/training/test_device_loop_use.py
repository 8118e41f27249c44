"""Where `fit` uses the device loop, and that it falls back to Keras's own where it may not."""

import types

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, make_vae

import keras_vae as kv
from keras_vae import backend
from keras_vae.training import device_loop, loops
from keras_vae.training.fit_plan import FitPlan
from keras_vae.training.step_callbacks import needs_each_batch

BACKEND = keras.backend.backend()


class EachBatch(keras.callbacks.Callback):
    """Notes the numbers of the batches."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(batch)


def fit(x, device_loop="auto", compile_kwargs=None, **kwargs):
    keras.utils.set_random_seed(1)
    vae = make_vae(compile_kwargs={"device_loop": device_loop, **(compile_kwargs or {})})
    history = vae.fit(x, **{"batch_size": 32, "epochs": 2, "verbose": 0, **kwargs}).history
    return vae, history


def uses_loop(*args, **kwargs):
    return bool(fit(*args, **kwargs)[0].compiled_loops.made)


def test_a_callback_of_each_batch_gets_each_batch(x):
    callback = EachBatch()
    vae, history = fit(x, callbacks=[callback])
    assert not vae.compiled_loops.made
    assert callback.batches == 2 * list(range(8))
    expected = fit(x, device_loop=False)[1]
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-6)
    heard = []
    listen = keras.callbacks.LambdaCallback(on_train_batch_end=lambda n, logs: heard.append(n))
    assert not uses_loop(x, callbacks=[listen])
    assert len(heard) == 16


def test_a_callback_derived_from_one_of_keras_gets_each_batch(x, tmp_path):
    class Checkpoint(keras.callbacks.ModelCheckpoint):
        seen = 0

        def on_train_batch_end(self, batch, logs=None):
            self.seen += 1

    checkpoint = Checkpoint(tmp_path / "a.keras")
    assert not uses_loop(x, callbacks=[checkpoint])
    assert checkpoint.seen == 16


def test_other_callbacks_do_not_need_each_batch(x, tmp_path):
    callbacks = keras.callbacks
    by_epoch = [
        callbacks.EarlyStopping("loss"),
        callbacks.LambdaCallback(on_epoch_end=lambda n, logs: None),
        callbacks.ModelCheckpoint(tmp_path / "a.keras"),
        callbacks.TensorBoard(tmp_path / "logs"),
        callbacks.BackupAndRestore(tmp_path / "backup"),
    ]
    assert uses_loop(x, callbacks=by_epoch)
    for by_batch in (
        callbacks.ModelCheckpoint(tmp_path / "b.keras", save_freq=3),
        callbacks.BackupAndRestore(tmp_path / "backup", save_freq=3),
        callbacks.TerminateOnNaN(),
        callbacks.TensorBoard(tmp_path / "logs", update_freq="batch"),
    ):
        assert needs_each_batch([*by_epoch, by_batch])


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "kwargs",
    [
        {"device_loop": False},
        {"compile_kwargs": {"run_eagerly": True, "jit_compile": False}},
        pytest.param(
            {"compile_kwargs": {"steps_per_execution": 4}},
            marks=pytest.mark.skipif(BACKEND == "torch", reason="Keras refuses it there."),
        ),
        {"steps_per_epoch": 4},
        {"shuffle": "batch"},
    ],
    ids=str,
)
def test_what_keras_alone_does_is_left_to_it(x, kwargs):
    vae, history = fit(x, **kwargs)
    assert not vae.compiled_loops.made
    assert np.isfinite(history["loss"]).all()


def test_a_device_with_little_room(x, monkeypatch):
    # For the data and the model.
    monkeypatch.setattr(backend, "free_memory", lambda: 1.5 * x.nbytes)
    assert not uses_loop(x)
    monkeypatch.setattr(backend, "free_memory", lambda: 2.5 * x.nbytes)
    assert uses_loop(x)


def test_a_stream_to_validate_on_has_a_loop_beside_that_of_the_array(x):
    vae, history = fit(x, validation_data=Validation(x))
    assert [key[:2] for key in vae.compiled_loops.made] == [("test", 20), ("train", 32)]
    assert len(history["val_loss"]) == 2


class Validation(keras.utils.PyDataset):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return 2

    def __getitem__(self, i):
        return (self.x[i * 20 : i * 20 + 20],)


def test_the_progress_bar_moves_within_an_epoch(x, monkeypatch):
    monkeypatch.setattr(device_loop, "_MIN_STEPS", 3)
    seen = []

    update = keras.utils.Progbar.update

    def noted(self, current, values=None, finalize=None):
        if not finalize:
            seen.append((current, self.target, dict(values)["loss"]))
        update(self, current, values, finalize)

    monkeypatch.setattr(keras.utils.Progbar, "update", noted)
    vae, history = fit(x, epochs=1, verbose=1)
    assert vae.compiled_loops.made
    seen.sort()  # on JAX Keras calls its callbacks from several threads
    assert [step for step, _, _ in seen] == [3, 6, 8]
    assert {target for _, target, _ in seen} == {8}
    # The logs are the means so far.
    np.testing.assert_allclose(seen[-1][2], history["loss"][0], rtol=1e-6)
    assert seen[0][2] > seen[-1][2]


class OwnStep(kv.VAE):
    def train_step(self, *args):
        result = super().train_step(*args)
        logs = result[0] if BACKEND == "jax" else result
        logs = {**logs, "twice": 2.0 * logs["loss"]}
        return (logs, result[1]) if BACKEND == "jax" else logs


def test_a_train_step_of_the_user_keeps_its_logs(x):
    histories = []
    for on in (True, False):
        keras.utils.set_random_seed(1)
        encoder = kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,)))
        vae = OwnStep(encoder, kv.networks.DenseDecoder(N_FEATURES, (8,)))
        vae.compile(device_loop=on, jit_compile=BACKEND == "jax")
        histories.append(vae.fit(x, batch_size=60, verbose=0).history)
        assert bool(vae.compiled_loops.made) is on
    np.testing.assert_allclose(histories[0]["twice"], histories[1]["twice"], rtol=1e-5)
    np.testing.assert_allclose(histories[0]["twice"], 2.0 * np.array(histories[0]["loss"]))


def test_a_callback_may_evaluate_on_other_data(x):
    losses = []

    class Evaluate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            losses.append(self.model.evaluate(x[:96], batch_size=32, verbose=0, return_dict=True))
            self.model.encode(x[:5])

    vae, history = fit(x, callbacks=[Evaluate()], validation_data=x[:64])
    assert [key[:2] for key in vae.compiled_loops.made] == [("test", 32), ("train", 32)]
    assert len(losses) == len(history["val_loss"]) == 2
    np.testing.assert_allclose(losses[1]["loss"], history["val_loss"][1], rtol=0.2)


def test_data_changed_in_place_is_seen(x):
    data = x.copy()
    vae, _ = fit(data)
    data[:] = 1.0 - data
    changed = vae.evaluate(data, batch_size=32, verbose=0)
    vae.compile(device_loop=False)
    np.testing.assert_allclose(
        changed[0], vae.evaluate(data, batch_size=32, verbose=0)[0], rtol=0.05
    )
    assert changed[0] > 1.2 * vae.evaluate(x, batch_size=32, verbose=0)[0]


def test_an_interrupted_run_can_go_on(x):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    keras.utils.set_random_seed(1)
    vae = make_vae()
    with pytest.raises(KeyboardInterrupt):
        vae.fit(x, epochs=3, verbose=0, callbacks=[Stop()])
    assert vae.train_function is None
    assert int(vae.optimizer.iterations) == 8
    vae.fit(x, epochs=1, verbose=0, callbacks=[EachBatch()])  # by Keras's own loop
    vae.fit(x, epochs=1, verbose=0)
    assert int(vae.optimizer.iterations) == 24


def test_the_choice_is_saved(x, tmp_path):
    vae, _ = fit(x, device_loop=False)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    loaded.fit(x, verbose=0)
    assert not loaded.compiled_loops.made


@pytest.mark.xla
@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow can go without XLA")
def test_what_xla_cannot_compile_runs_without_it(x):
    import tensorflow as tf

    class InPython(keras.layers.Layer):
        def call(self, inputs):
            outputs = tf.numpy_function(lambda a: 2.0 * a, [inputs], tf.float32)
            return tf.ensure_shape(outputs, inputs.shape)

        def compute_output_shape(self, input_shape):
            return input_shape

    network = keras.Sequential([InPython(), keras.layers.Dense(8)])
    vae = make_vae(encoder=kv.VariationalEncoder(3, network))
    history = vae.fit(x, epochs=5, verbose=0).history["loss"]
    assert vae.compiled_loops.made
    assert history[-1] < history[0]


@pytest.mark.parametrize("n, fits", [(2**31 - 1, True), (2**31, False)])
def test_rows_beyond_the_numbers_of_the_device(x, monkeypatch, n, fits):
    monkeypatch.setattr(backend, "free_memory", lambda: 2**60)
    vae = make_vae()
    vae.fit(x, batch_size=32, verbose=0)
    # Rows that are all one and the same in memory.
    data = types.SimpleNamespace(in_memory=True, x=np.broadcast_to(x[0], (n, N_FEATURES)))
    data.arrays = (data.x,)
    assert loops.applies(vae, data, FitPlan()) is fits
