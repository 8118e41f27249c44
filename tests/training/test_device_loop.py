"""The device loop: the same run as Keras's own loop, and where it is not used."""

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, assert_close, assert_same_logs, make_vae, on_one_backend
from same_runs import SAME_COMPILER, Runs

import keras_vae as kv


def run(on, x, calls=None, compile_kwargs=None, fit_kwargs=None, **parts):
    """Returns the model and the history of a run with the device loop or without."""
    keras.utils.set_random_seed(5)
    parts = {name: part() if callable(part) else part for name, part in parts.items()}
    vae = make_vae(compile_kwargs={"device_loop": on, **(compile_kwargs or {})}, **parts)
    fit_kwargs = {"epochs": 3, "batch_size": 32, "verbose": 0, **(fit_kwargs or {})}
    history = vae.fit(x, callbacks=calls, **fit_kwargs)
    return vae, history


def assert_same_runs(x, rtol=1e-5, compile_kwargs=SAME_COMPILER, **kwargs):
    kwargs["compile_kwargs"] = compile_kwargs
    with_loop, history = run(True, x, **kwargs)
    assert with_loop.compiled_loops.made, "The loop was not used."
    without, expected = run(False, x, **kwargs)
    assert not without.compiled_loops.made
    assert_same_logs(history.history, expected.history, rtol)
    for weight, other in zip(with_loop.weights, without.weights, strict=True):
        np.testing.assert_allclose(weight, other, rtol=100 * rtol, atol=1e-4, err_msg=weight.path)
    assert history.params == expected.params


@pytest.fixture(scope="module")
def runs():
    return Runs((None, N_FEATURES))


@pytest.fixture
def weights(x):
    return np.random.default_rng(0).random(len(x)).astype("float32")


@pytest.mark.parametrize(
    "fit_kwargs",
    [
        {"batch_size": 100},  # the last batch is smaller
        {"batch_size": 1000},  # one batch, smaller than its size
        {"validation_split": 0.3, "validation_batch_size": 50, "validation_freq": 2},
        {"shuffle": False, "batch_size": None, "epochs": 4, "initial_epoch": 2},
    ],
    ids=str,
)
def test_the_loop_gives_the_run_of_keras(runs, x, fit_kwargs):
    runs.assert_same(lambda: x, **{"epochs": 3, "batch_size": 32, **fit_kwargs})


@pytest.mark.xla
def test_the_default_compiler_gives_the_run_of_keras(x):
    assert_same_runs(x, rtol=5e-4, compile_kwargs={}, fit_kwargs={"validation_split": 0.2})


def test_targets_weights_and_validation_data(runs, x, weights):
    noisy = np.clip(x + 0.1, 0.0, 1.0).astype("float64")
    options = {"sample_weight": weights, "batch_size": 32}
    runs.assert_same(lambda: noisy, lambda: (noisy[:70], x[:70]), y=x, **options)
    runs.assert_same(lambda: x, lambda: (x[:50], x[:50], weights[:50]), **options)


def falling_rate():
    return keras.optimizers.schedules.ExponentialDecay(1e-2, 5, 0.5)


@pytest.mark.parametrize(
    "optimizer",
    [
        pytest.param(
            lambda: keras.optimizers.Adam(falling_rate(), clipnorm=1.0), marks=on_one_backend
        ),
        pytest.param(
            lambda: keras.optimizers.AdamW(1e-2, gradient_accumulation_steps=2),
            marks=on_one_backend,
        ),
        lambda: keras.optimizers.SGD(1e-2, momentum=0.9, use_ema=True),
        lambda: keras.optimizers.AdamW(
            falling_rate(), clipnorm=1.0, gradient_accumulation_steps=2, use_ema=True
        ),
    ],
    ids=["schedule", "accumulation", "average", "all"],
)
def test_optimizers(x, optimizer):
    assert_same_runs(x, optimizer=optimizer)


def test_metrics_schedules_and_objectives_with_state(x):
    assert_same_runs(
        x,
        objective=lambda: kv.objectives.FactorVAE(kv.schedules.Cyclical(10, high=4.0)),
        likelihood=lambda: kv.likelihoods.Gaussian("learned"),
        compile_kwargs={"metrics": ["mse"], **SAME_COMPILER},
        rtol=1e-4,  # the discriminator's and the code's gradients oppose each other
    )
    assert_same_runs(x, objective="beta_tc_vae", prior=lambda: kv.priors.GaussianMixture(3))


def test_a_network_that_takes_the_batch_as_one_and_a_small_last_batch(x):
    def encoder():
        # A bias would be centred away: its gradient is rounding alone, of which Adam makes steps.
        layers = [keras.layers.Dense(8, use_bias=False), keras.layers.BatchNormalization()]
        return kv.VariationalEncoder(3, keras.Sequential(layers))

    assert_same_runs(
        x,
        encoder=encoder,
        fit_kwargs={"batch_size": 100, "validation_split": 0.3},
    )


def test_mixed_precision(x):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        assert_same_runs(x, rtol=2e-3)
    finally:
        keras.config.set_dtype_policy("float32")


def test_evaluate_is_that_of_keras(runs, x, weights):
    logs = []
    for on in (True, False):
        vae = runs.models[on]()
        kwargs = {"batch_size": 60, "return_dict": True, "verbose": 0}
        logs.append([vae.evaluate(x, **kwargs), vae.evaluate(x, sample_weight=weights, **kwargs)])
        assert runs.models[on].used_loop is on
    for mine, expected in zip(*logs, strict=True):
        assert_same_logs(mine, expected, rtol=1e-5)


def test_epoch_callbacks_act_as_in_keras(runs, x, tmp_path):
    for on in (True, False):
        stop = keras.callbacks.EarlyStopping("loss", min_delta=1e6)
        history, _ = runs.run(on, lambda: x, batch_size=32, epochs=9, callbacks=[stop])
        assert history.epoch == [0, 1]

    rates = []
    lower = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    save = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    read = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(float(lower.model.optimizer.learning_rate))
    )
    calls = [lower, log, save, read]
    runs.run(True, lambda: x, batch_size=32, epochs=3, callbacks=calls)
    vae = runs.models[True].vae
    np.testing.assert_allclose(rates, [5e-3, 2.5e-3, 1.25e-3])
    assert (tmp_path / "log.csv").read_text().count("\n") == 4
    saved = keras.saving.load_model(tmp_path / "3.keras")
    assert_close(saved.encode(x[:5]), vae.encode(x[:5]), rtol=1e-5)
