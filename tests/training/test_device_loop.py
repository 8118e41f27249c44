"""The device loop: the same run as Keras's own loop, and where it is not used."""

import keras
import numpy as np
import pytest
from helpers import assert_close, assert_same_logs, make_vae

import keras_vae as kv

BACKEND = keras.backend.backend()


def run(on, x, calls=None, compile_kwargs=None, fit_kwargs=None, **parts):
    """Returns the model and the history of a run with the device loop or without."""
    keras.utils.set_random_seed(5)
    parts = {name: part() if callable(part) else part for name, part in parts.items()}
    vae = make_vae(compile_kwargs={"device_loop": on, **(compile_kwargs or {})}, **parts)
    fit_kwargs = {"epochs": 3, "batch_size": 32, "verbose": 0, **(fit_kwargs or {})}
    history = vae.fit(x, callbacks=calls, **fit_kwargs)
    return vae, history


# XLA, which compiles the loop on TensorFlow but not Keras's steps, rounds otherwise.
SAME_COMPILER = {"jit_compile": BACKEND == "jax"}


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
def test_the_loop_gives_the_run_of_keras(x, fit_kwargs):
    assert_same_runs(x, fit_kwargs=fit_kwargs)


@pytest.mark.xla
def test_the_default_compiler_gives_the_run_of_keras(x):
    assert_same_runs(x, rtol=5e-4, compile_kwargs={}, fit_kwargs={"validation_split": 0.2})


def test_targets_weights_and_validation_data(x, weights):
    noisy = np.clip(x + 0.1, 0.0, 1.0).astype("float64")
    kwargs = {"y": x, "sample_weight": weights}
    assert_same_runs(noisy, fit_kwargs={**kwargs, "validation_data": (noisy[:70], x[:70])})
    weighted = {"validation_data": (x[:50], x[:50], weights[:50]), "sample_weight": weights}
    assert_same_runs(x, fit_kwargs=weighted)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.Adam(
            keras.optimizers.schedules.ExponentialDecay(1e-2, 5, 0.5), clipnorm=1.0
        ),
        lambda: keras.optimizers.AdamW(1e-2, gradient_accumulation_steps=2),
        lambda: keras.optimizers.SGD(1e-2, momentum=0.9, use_ema=True),
    ],
    ids=["schedule", "accumulation", "average"],
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


def test_evaluate_is_that_of_keras(x, weights):
    logs = []
    for on in (True, False):
        keras.utils.set_random_seed(5)
        vae = make_vae(compile_kwargs={"device_loop": on, **SAME_COMPILER})
        kwargs = {"batch_size": 60, "return_dict": True, "verbose": 0}
        logs.append([vae.evaluate(x, **kwargs), vae.evaluate(x, sample_weight=weights, **kwargs)])
        assert bool(vae.compiled_loops.made) is on
    for mine, expected in zip(*logs, strict=True):
        assert_same_logs(mine, expected, rtol=1e-5)


def test_epoch_callbacks_act_as_in_keras(x, tmp_path):
    stopped = [
        run(on, x, calls=[keras.callbacks.EarlyStopping("loss", min_delta=1e6)],
            fit_kwargs={"epochs": 9})[1].epoch for on in (True, False)
    ]  # fmt: skip
    assert stopped[0] == stopped[1] == [0, 1]

    rates = []
    lower = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    save = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    read = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(float(lower.model.optimizer.learning_rate))
    )
    vae, _ = run(True, x, calls=[lower, log, save, read])
    assert vae.compiled_loops.made
    np.testing.assert_allclose(rates, [5e-3, 2.5e-3, 1.25e-3])
    assert (tmp_path / "log.csv").read_text().count("\n") == 4
    saved = keras.saving.load_model(tmp_path / "3.keras")
    assert_close(saved.encode(x[:5]), vae.encode(x[:5]), rtol=1e-5)
