"""Weights of the loss that change while a model trains act from the next step on."""

import copy
import json
import warnings

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, assert_same_logs, make_vae, to_numpy
from keras.optimizers import schedules

import keras_vae as kv


class SetEachEpoch(keras.callbacks.Callback):
    """Sets a weight when an epoch begins."""

    def __init__(self, values, act):
        super().__init__()
        self.values, self.act = values, act

    def on_epoch_begin(self, epoch, logs=None):
        self.act(self.model, self.values[epoch])


class SetAtBatch(keras.callbacks.Callback):
    """Sets a weight at the end of a batch, without a look at the model."""

    def __init__(self, batch, act):
        super().__init__()
        self.batch, self.act = batch, act

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.batch:
            self.act()


def with_constant_loss(**kwargs):
    """A model that does not learn, so that losses differ by their weights alone."""
    vae = make_vae(keras.optimizers.SGD(0.0), noise=0.5, **kwargs)
    vae.build((None, N_FEATURES))
    return vae


def set_beta(vae, value):
    vae.beta = value


def set_objective_beta(vae, value):
    vae.objective.beta = value


@pytest.mark.parametrize("act", [set_beta, set_objective_beta])
@pytest.mark.parametrize("loop", ["auto", False])
def test_a_number_that_a_callback_sets_acts_and_is_logged(x, act, loop):
    traces = []

    class Traced(type(make_vae())):
        def train_step(self, *args):
            traces.append(1)
            return super().train_step(*args)

    vae = with_constant_loss(beta=1.0)
    vae.__class__ = Traced
    vae.compile(keras.optimizers.SGD(0.0), device_loop=loop)
    betas = [1.0, 0.0, 4.0, 2.5]
    history = vae.fit(
        x, epochs=4, batch_size=64, verbose=0, callbacks=[SetEachEpoch(betas, act)]
    ).history
    expected = np.add(history["reconstruction_loss"], np.multiply(betas, history["kl_loss"]))
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(history["beta"], betas)
    assert vae.beta == 2.5
    if keras.backend.backend() != "torch":
        assert len(traces) <= 2


def test_a_number_that_changes_late_has_a_log_for_each_epoch(x):
    def act(vae, value):
        if value is not None:
            vae.beta = value

    history = with_constant_loss(beta=3.0).fit(
        x, epochs=3, verbose=0, callbacks=[SetEachEpoch([None, None, 0.5], act)]
    )
    assert history.history["beta"] == [3.0, 3.0, 0.5]
    assert "beta" not in with_constant_loss(beta=3.0).fit(x, verbose=0).history


@pytest.mark.parametrize("kind", ["variable", "setter"])
def test_a_weight_set_after_a_batch_acts_from_the_next_one(x, kind):
    variable = keras.Variable(1.0)
    vae = with_constant_loss(beta=variable if kind == "variable" else 1.0)
    objective = vae.objective
    act = {"variable": lambda: variable.assign(5.0), "setter": lambda: set_objective(objective)}

    def set_objective(objective):
        objective.beta = 5.0

    found = []

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            found.append({k: float(v) for k, v in logs.items()})

    rows = np.repeat(x[:1], 32, axis=0)  # each batch is the same
    vae.fit(rows, batch_size=8, verbose=0, callbacks=[SetAtBatch(1, act[kind]), Note()])
    reconstruction, kl = found[0]["reconstruction_loss"], found[0]["kl_loss"]
    per_batch = np.diff([0.0, *((i + 1) * f["loss"] for i, f in enumerate(found))])
    betas = np.array([1.0, 1.0, 5.0, 5.0])
    np.testing.assert_allclose(per_batch, reconstruction + betas * kl, rtol=1e-4)


def test_a_variable_is_not_trained_and_is_logged(x):
    beta = keras.Variable(0.5)
    vae = make_vae(beta=beta)
    history = vae.fit(x, epochs=2, verbose=0).history
    assert history["beta"] == [0.5, 0.5]
    assert not any(v is beta for v in vae.trainable_variables)
    beta.assign(2.0)
    history = vae.fit(x, verbose=0).history
    expected = history["reconstruction_loss"][0] + 2.0 * history["kl_loss"][0]
    assert history["loss"][0] == pytest.approx(expected, rel=1e-5)
    vae.beta = 3.0
    assert float(to_numpy(beta)) == 3.0
    assert json.loads(json.dumps(vae.objective.get_config()))["beta"] == 3.0


WEIGHTS = [
    ("elbo", "beta"),
    ("free_bits", "free_bits"),
    ("free_bits", "beta"),
    ("capacity", "capacity"),
    ("capacity", "gamma"),
    ("beta_tc_vae", "alpha"),
    ("beta_tc_vae", "beta"),
    ("beta_tc_vae", "gamma"),
    ("dip_vae", "off_diagonal"),
    ("dip_vae", "diagonal"),
    ("dip_vae", "beta"),
    ("info_vae", "alpha"),
    ("info_vae", "strength"),
    ("wae", "strength"),
    ("ciwae", "elbo_weight"),
    ("factor_vae", "gamma"),
    ("factor_vae", "beta"),
    ("info_max_vae", "alpha"),
    ("info_max_vae", "beta"),
]


# Those that are computed alike are compiled on one backend only.
SOME = slice(None, None, 1 if keras.backend.backend() == "torch" else 5)


@pytest.mark.parametrize(("name", "weight"), WEIGHTS[SOME])
def test_every_weight_acts_as_if_given_to_the_constructor(x, name, weight):
    cls = kv.objectives.NAMES[name]
    critic = keras.Sequential([keras.layers.Dense(1)])
    options = {"network": critic} if name in ("factor_vae", "info_max_vae") else {}

    def losses(objective, act):
        keras.utils.set_random_seed(2)
        vae = make_vae(keras.optimizers.SGD(0.0), objective=objective)
        if vae.data_size is not None:
            vae.data_size.assign(256.0)
        vae.test_on_batch(x)  # compiled with the first value
        act(vae)
        return vae.test_on_batch(x, return_dict=True)["loss"], vae.objective.get_config()

    changed, config = losses(cls(**options), lambda vae: setattr(vae.objective, weight, 0.25))
    assert config.get(weight, 0.25) == 0.25
    given, _ = losses(cls(**{**options, weight: 0.25}), lambda vae: None)
    assert changed == pytest.approx(given, rel=1e-5, abs=1e-4)


def test_the_strength_of_a_regularizer_may_change(x):
    vae = with_constant_loss(regularizer=lambda outputs: 2.0, regularization_strength=3.0)
    assert vae.test_on_batch(x, return_dict=True)["regularization_loss"] == pytest.approx(6.0)
    vae.regularization_strength = 0.5
    found = vae.test_on_batch(x, return_dict=True)
    assert found["regularization_loss"] == pytest.approx(1.0)
    assert found["loss"] == pytest.approx(found["negative_elbo"] + 1.0, rel=1e-5)
    assert vae.fit(x, verbose=0).history["regularization_strength"] == [0.5]


def test_what_was_set_is_saved_and_goes_on(x, tmp_path):
    vae = make_vae(beta=1.0)
    vae.fit(x, verbose=0)
    vae.beta = 0.25
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    assert loaded.beta == 0.25
    histories = [v.fit(x, verbose=0).history for v in (vae, loaded)]
    logs = [{name: history[name] for name in ("loss", "kl_loss")} for history in histories]
    assert_same_logs(*logs, rtol=1e-5)
    # Weights alone go into a model of another β, which keeps it.
    vae.save_weights(tmp_path / "vae.weights.h5")
    other = make_vae(beta=7.0)
    other.build((None, N_FEATURES))
    other.load_weights(tmp_path / "vae.weights.h5")
    assert other.beta == 7.0
    assert len(vae.get_weights()) == len(vae.trainable_weights)


def test_copies_have_weights_of_their_own(x):
    vae = with_constant_loss(beta=1.0)
    copies = [copy.deepcopy(vae.objective), type(vae.objective)(beta=vae.beta)]
    vae.beta = 2.0
    assert [c.beta for c in copies] == [1.0, 1.0]
    assert copy.deepcopy(vae.objective).beta == 2.0
    clone = keras.models.clone_model(vae)
    clone.build((None, N_FEATURES))
    clone.beta = 5.0
    assert vae.beta == 2.0


def test_two_models_that_share_an_objective_share_its_weights(x):
    objective = kv.objectives.ELBO(beta=2.0)
    first, second = (with_constant_loss(objective=objective) for _ in range(2))
    objective.beta = 0.0
    for vae in (first, second):
        found = vae.fit(x, verbose=0).history
        np.testing.assert_allclose(found["loss"], found["reconstruction_loss"], rtol=1e-5)


def test_what_a_weight_cannot_become_is_refused():
    warm_up = schedules.PolynomialDecay(0.0, 10, 1.0)
    vae, scheduled = make_vae(beta=1.0), make_vae(beta=warm_up)
    with pytest.raises(ValueError, match="beta is a number of a model, and cannot become a sched"):
        vae.beta = warm_up
    with pytest.raises(ValueError, match="beta is a schedule of a model, and cannot become a num"):
        scheduled.objective.beta = 1.0
    vae.build((None, N_FEATURES))
    for value in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="beta must be finite and not negative"):
            vae.beta = value
    with pytest.raises(TypeError, match="beta must be a number"):
        vae.objective.beta = "large"
    assert vae.beta == 1.0
    info = make_vae(objective=kv.objectives.InfoVAE(alpha=0.5, strength=2.0))
    with pytest.raises(ValueError, match=r"alpha must lie in \[0, 1\]"):
        info.objective.alpha = 1.5
    with pytest.raises(ValueError, match="alpha \\+ strength must be at least 1"):
        info.objective.strength = 0.1
    assert make_vae(objective="iwae").beta is None
    with pytest.raises(AttributeError, match="IWAE has no beta"):
        make_vae(objective="iwae").beta = 2.0


@pytest.mark.parametrize("name", ["betta", "strength"])
def test_an_attribute_that_would_do_nothing_is_refused(name):
    @keras.saving.register_keras_serializable(package="tests")
    class Undeclared(kv.objectives.ELBO):
        def __init__(self, strength=1.0):
            super().__init__()
            self.strength = strength

    vae = make_vae(objective=Undeclared())
    vae.build((None, N_FEATURES))
    with pytest.raises(AttributeError, match=rf"{name} .*LossWeight\(\)"):
        setattr(vae.objective, name, 2.0)


# What to watch

WITH_KL = sorted(name for name, cls in kv.objectives.NAMES.items() if cls.needs_kl)


@pytest.mark.parametrize("objective", WITH_KL[SOME])
def test_the_negative_elbo_means_the_same_under_every_objective(x, objective):
    several_draws = kv.objectives.get(objective).n_draws is not None
    noise = None if several_draws else 0.5
    vae = make_vae(keras.optimizers.SGD(0.0), noise=noise, objective=objective)
    found = vae.fit(x, validation_split=0.5, verbose=0).history
    for prefix in ("", "val_"):
        expected = np.add(found[f"{prefix}reconstruction_loss"], found[f"{prefix}kl_loss"])
        np.testing.assert_allclose(found[f"{prefix}negative_elbo"], expected, rtol=1e-5)
    if several_draws:
        return
    plain = make_vae(encoder=vae.encoder, decoder=vae.decoder)
    loss = plain.evaluate(x[128:], verbose=0, return_dict=True)["loss"]
    assert found["val_negative_elbo"][0] == pytest.approx(loss, rel=1e-4)


def test_early_stopping_watches_the_bound(x):
    """Where β rises, the loss rises too, though the bound falls."""
    stop = keras.callbacks.EarlyStopping("val_negative_elbo", mode="min")
    vae = make_vae(keras.optimizers.Adam(3e-3), beta=schedules.PolynomialDecay(0.0, 60, 60.0))
    history = vae.fit(x, epochs=3, validation_split=0.25, verbose=0, callbacks=[stop]).history
    assert history["val_loss"][1] > history["val_loss"][0]
    assert stop.best_epoch == np.argmin(history["val_negative_elbo"]) == 2


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.PolynomialDecay(0.0, 20, 1.0),
        schedules.PiecewiseConstantDecay([5, 20], [0.0, 0.5, 1.0]),
        kv.schedules.Cyclical(cycle_steps=40),
    ],
)
def test_a_schedule_that_outlasts_the_run_is_said(x, schedule):
    vae = make_vae(beta=schedule)
    with pytest.warns(UserWarning, match=r"run ends at step 8, but beta changes until step 20"):
        vae.fit(x, batch_size=64, epochs=2, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        vae.fit(x, batch_size=64, epochs=3, verbose=0)
