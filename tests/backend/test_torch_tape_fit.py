"""The tape of torch under `fit`: data, callbacks, users' own steps and layers, and its guards."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy import sparse
from tape_runs import (
    BATCH,
    FEATURES,
    N,
    adam,
    assert_fallen_back,
    assert_recorded,
    assert_same,
    assert_same_runs,
    on_torch,
    recorded,
    rests,
    rows,
    run,
    vae,
)

import keras_vae as kv
from keras_vae.training import policy

pytestmark = [on_torch, pytest.mark.usefixtures("recorded")]
__all__ = ["recorded", "rests"]  # fixtures


def weights():
    numbers = np.random.default_rng(1).random(N).astype("float32")
    numbers[::4] = 0.0
    return numbers


def conditional():
    return vae(condition=kv.conditions.OneHot(3))


def learning_from_labels():
    return vae(condition=kv.conditions.OneHot(3), objective=kv.objectives.SemiSupervised())


CLASSES = np.arange(N) % 3
DATA = {
    "weights of 0": (vae, {"sample_weight": weights()}),
    "its own target": (vae, {"y": 1.0 - rows()}),
    "whole numbers": (vae, {"x": rows().astype("uint8")}),
    "a condition": (conditional, {"condition": CLASSES}),
    "labels": (learning_from_labels, {"labels": np.where(CLASSES, CLASSES, -1)}),
    "a part for validation": (vae, {"validation_split": 0.4}),
    "other rows for validation": (vae, {"validation_data": (rows()[:20], 1.0 - rows()[:20])}),
    "metrics": (vae, {"compile_kwargs": {"metrics": ["mse", keras.metrics.MeanAbsoluteError()]}}),
    "in their order": (vae, {"shuffle": False}),
}


def loader():
    import torch

    return torch.utils.data.DataLoader(torch.from_numpy(rows()), BATCH)


STREAMS = {
    "generator": lambda: ((part,) for part in np.split(rows(), [10, 20, 30])),
    "DataLoader": loader,
    "csr": lambda: sparse.csr_matrix(rows()),
}


@pytest.mark.parametrize("name", DATA)
def test_data(name, recorded):
    make, arguments = DATA[name]
    assert_same_runs(make, adam(), **arguments)
    for each in recorded:  # the steps of validation too
        assert each.tape is not None, repr(each.failure)


@pytest.mark.parametrize("kind", STREAMS)
def test_streams(kind, recorded):
    options = {"epochs": 1, "batch_size": BATCH if kind == "csr" else None}
    model, history = run(vae, adam(), True, x=STREAMS[kind](), **options)
    expected_model, expected = run(vae, adam(), False, x=STREAMS[kind](), **options)
    np.testing.assert_allclose(history["loss"], expected["loss"], 1e-5)
    assert_same(model, expected_model)
    assert_recorded(recorded)


def test_fewer_rows_than_a_batch_has(recorded, rests, monkeypatch):
    from keras_vae.backend import torch_loop

    monkeypatch.setattr(torch_loop, "STEPS_TO_EARN", 3)
    assert_same_runs(vae, adam(), x=rows()[: BATCH - 3], epochs=8)
    assert [each.n_replayed for each in (*recorded, *rests)] == [0, 4]  # after 3, and one recorded


def test_twenty_steps_give_the_losses_of_keras(recorded):
    for objective in ("elbo", "iwae"):
        options = {"x": rows()[:BATCH], "epochs": 20}
        assert_same_runs(lambda o=objective: vae(objective=o), adam(), rtol=1e-5, **options)
    assert all(each.n_replayed == 19 for each in recorded)


def test_other_kinds_of_numbers_are_recorded_anew(recorded, monkeypatch):
    from keras_vae.backend.torch_tape import recorded_step

    monkeypatch.setattr(recorded_step, "STEPS_TO_EARN", 0)

    def both(on):
        model, _ = run(vae, adam(), on)
        model.fit(rows().astype("uint8"), batch_size=BATCH, epochs=2, verbose=0)
        return model

    assert_same(both(True), both(False))
    assert recorded[0].n_recordings == 2 and recorded[0].tape is not None


def test_evaluate(recorded):
    model, _ = run(vae, adam(), True)
    other, _ = run(vae, adam(), False)
    for _ in range(2):
        found = model.evaluate(rows(), batch_size=BATCH, verbose=0)
        np.testing.assert_allclose(found, other.evaluate(rows(), batch_size=BATCH, verbose=0), 1e-5)
    assert recorded[-1].tape is not None and recorded[-1].n_replayed == 5
    assert_same(model, other)


class AtEpoch(keras.callbacks.Callback):
    """Calls a function of the model and the epoch."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def on_epoch_begin(self, epoch, logs=None):
        self.function(self.model, epoch)


def set_beta(model, epoch):
    model.beta = 0.5 + epoch


def set_clipnorm(model, epoch):
    model.optimizer.clipnorm = 1e-3 if epoch else 10.0


def set_penalty(model, epoch):
    model.encoder.network.layers[0].kernel_regularizer.l2 = 1.0 * epoch


def freeze(model, epoch):
    model.decoder.trainable = epoch == 0


def halve(epoch, rate):
    return rate / 2


CALLBACKS = {
    "the rate": (vae, lambda: keras.callbacks.LearningRateScheduler(halve), 1),
    "a weight of the loss": (lambda: vae(beta=2.0), lambda: AtEpoch(set_beta), 1),
    "a number of the optimizer": (vae, lambda: AtEpoch(set_clipnorm), 2),
    "a penalty": (
        lambda: vae(dense={"kernel_regularizer": keras.regularizers.L2(0.1)}),
        lambda: AtEpoch(set_penalty),
        2,
    ),
    "what trains": (vae, lambda: AtEpoch(freeze), 2),
}


@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.parametrize("earned", [True, False])
def test_what_callbacks_set_acts_from_the_next_step_on(name, earned, recorded, monkeypatch):
    from keras_vae.backend.torch_tape import recorded_step

    monkeypatch.setattr(recorded_step, "STEPS_TO_EARN", 0 if earned else 1000)
    make, callback, n_recordings = CALLBACKS[name]
    model, _ = run(make, adam(clipnorm=10.0), True, callbacks=[callback()])
    other, _ = run(make, adam(clipnorm=10.0), False, callbacks=[callback()])
    assert_same(model, other)
    assert recorded[0].n_recordings == (n_recordings if earned else 1)
    assert (recorded[0].tape is not None) == (earned or n_recordings == 1)


class Counting(layers.Layer):
    """Changes a number of Python at each call that trains, which acts on the next one."""

    n = 0

    def call(self, x, training=False):
        if training:
            self.n += 1
        return x * (1.0 + 0.1 * self.n)


class Reading(layers.Layer):
    """Decides by a value."""

    def call(self, x):
        return x * 2.0 if bool(ops.any(x > 10.0)) else x


class Unseeded(layers.Layer):
    """Draws from the generator of the process."""

    def call(self, x):
        return x + 0.1 * keras.random.normal(ops.shape(x))


class Fixed(layers.Layer):
    """Draws the same numbers at each step."""

    def call(self, x):
        return x + 0.1 * keras.random.normal(ops.shape(x), seed=3)


class OfValues(layers.Layer):
    """Has a shape that follows from values on the way."""

    def call(self, x):
        return x + ops.sum(ops.nonzero(x > 0.0)[0] * 1e-3)


class Held(layers.Layer):
    """Writes a tensor that it holds."""

    def build(self, shape):
        import torch

        self.held = torch.zeros(())

    def call(self, x):
        if x.device.type != "meta":
            self.held.add_(0.1)
            x = x + self.held
        return x


class Elsewhere(Held):
    """Writes a tensor that nobody knows of."""

    def build(self, shape):
        super().build(shape)
        self.held = (self.held,)

    def call(self, x):
        if x.device.type != "meta":
            self.held[0].add_(0.1)
            x = x + self.held[0]
        return x


@pytest.mark.parametrize("layer", [Counting, Reading, Unseeded, Fixed, OfValues, Elsewhere])
def test_layers_that_fall_back(layer, recorded):
    assert_same_runs(lambda: vae(layer()), adam())
    assert_fallen_back(recorded)


def test_tensors_that_layers_hold_go_on(recorded):
    assert_same_runs(lambda: vae(Held()), adam())
    assert_recorded(recorded)


def test_noise_of_a_torch_module_goes_on(recorded):
    import torch

    class Wrapper(layers.TorchModuleWrapper):
        def compute_output_spec(self, x):
            return keras.KerasTensor(x.shape, x.dtype)

    def make():
        return vae(Wrapper(torch.nn.Dropout(0.3)))

    assert_same_runs(make, adam())
    assert_recorded(recorded)


def test_an_error_of_a_step_is_raised_as_it_is():
    class Failing(layers.Layer):
        def call(self, x):
            if x.device.type != "meta":
                raise KeyError("mine")
            return x

    with pytest.raises(KeyError, match="mine"):
        run(lambda: vae(Failing()), adam(), True)


class WithLogs(kv.VAE):
    """A step of the user's own that logs what is no metric."""

    def train_step(self, data):
        logs = super().train_step(data)
        return {**logs, "doubled": 2.0 * logs["loss"]}


class WithNumbers(kv.VAE):
    """A step of the user's own that logs a number of Python."""

    def train_step(self, data):
        return {**super().train_step(data), "one": 1.0}


@pytest.mark.parametrize(("cls", "assert_kind"), [(WithLogs, True), (WithNumbers, False)])
def test_steps_of_users(cls, assert_kind, recorded):
    def make():
        network = keras.Sequential([layers.Dense(6, activation="tanh")])
        return cls(kv.VariationalEncoder(2, network), layers.Dense(FEATURES))

    assert_same_runs(make, adam())
    (assert_recorded if assert_kind else assert_fallen_back)(recorded)


def test_a_tape_that_differs_is_not_used(recorded, monkeypatch):
    from keras_vae.backend.torch_tape import record

    monkeypatch.setattr(record, "as_function", lambda module: lambda *batch: [])
    assert_same_runs(vae, adam())
    assert_fallen_back(recorded)


def test_a_gradient_that_is_rounding_alone_is_no_difference(recorded):
    # Adam makes whole steps of it, in either direction.
    run(lambda: vae(layers.Dense(6), layers.BatchNormalization()), adam(), True)
    assert_recorded(recorded)


def test_recording_is_for_runs_that_earn_it(recorded, monkeypatch):
    run(vae, adam(), "auto")
    assert recorded[0].n_recordings == 0 and recorded[0].work > 0.0
    monkeypatch.setattr(policy, "_STEPS_TO_RECORD", 8)
    run(vae, adam(), "auto")
    assert len(recorded) == 2 and recorded[1].n_recordings == 1
    run(
        lambda: WithLogs(kv.VariationalEncoder(2, layers.Dense(4)), layers.Dense(6)), adam(), "auto"
    )
    assert len(recorded) == 2


def test_steps_that_compute_much_are_recorded_on_the_way(recorded, monkeypatch):
    from keras_vae.backend.torch_tape import recorded_step

    weights = 6 * 6 + 6 * 4 + 2 * 4 * 2 + 2 * 5 + 5 * 6
    products = 3 * weights - 6 * 6  # forward, and for the gradients of weights and inputs, not of x
    monkeypatch.setattr(recorded_step, "_WORK_TO_EARN", 2 * 2 * BATCH * products)  # of two steps
    model, _ = run(vae, adam(), "auto")
    assert recorded[0].work_of_step == 2 * BATCH * products
    assert recorded[0].n_recordings == 1 and recorded[0].n_replayed == 2 * 3 - 3
    assert_same(model, run(vae, adam(), False)[0])
    model.fit(rows(), batch_size=BATCH, epochs=50, verbose=0)
    assert len(recorded) == 1 and recorded[0].n_recordings == 1


def test_a_model_goes_with_its_tape(recorded, rests):
    model, _ = run(vae, adam(), True)
    reference = weakref.ref(model)
    recorded.clear()
    rests.clear()
    del model
    gc.collect()
    assert reference() is None
