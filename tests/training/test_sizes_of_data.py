"""What a model compiles: few programs, whatever the sizes of the data, that go with the model."""

import contextlib
import gc
import weakref

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, assert_same_logs, make_vae

import keras_vae as kv
from keras_vae.training import last_batch, policy

BACKEND = keras.backend.backend()
needs_jax = pytest.mark.skipif(BACKEND != "jax", reason="only JAX compiles each size")
SIZES = [200 + 37 * i for i in range(8)]


@keras.saving.register_keras_serializable(package="tests")
class Traced(keras.layers.Layer):
    """Counts how often it is run in Python: once a trace, where steps are compiled."""

    n_calls = 0

    def call(self, x):
        self.n_calls += 1
        return x


def binary(n, seed=0):
    return (np.random.default_rng(seed).random((n, N_FEATURES)) < 0.4).astype("float32")


@contextlib.contextmanager
def programs():
    """Gives a list that grows by one for each program that JAX compiles."""
    import jax

    compiled = []

    def heard(event, seconds, **details):
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(details)

    jax.monitoring.register_event_duration_secs_listener(heard)
    try:
        yield compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(heard)


def use(vae, n, batch_size=32):
    """Does with data of `n` rows all that may compile something."""
    x, other = binary(n), binary(n // 3 + 1, seed=1)
    vae.fit(x, batch_size=batch_size, validation_data=(other, other), verbose=0)
    vae.fit(x, batch_size=batch_size, validation_split=0.3, verbose=0)
    vae.evaluate(other, batch_size=batch_size, verbose=0)
    vae.reconstruct(other[: n % 50 + 1])


def use_for_inference(vae):
    vae.sample(3)
    vae.score(binary(5))


def assert_is_gone(model):
    """Checks that nothing but cycles held the model of a weak reference."""
    gc.collect()
    assert model() is None


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow takes any size")
@pytest.mark.parametrize("device_loop", [True, "auto", False])
def test_no_size_of_the_data_is_traced_anew_on_tensorflow(device_loop):
    traced = Traced()
    network = keras.Sequential([traced, keras.layers.Dense(8)])
    vae = make_vae(
        encoder=kv.VariationalEncoder(3, network), compile_kwargs={"device_loop": device_loop}
    )
    use(vae, SIZES[0])
    use(vae, SIZES[1])
    n_calls = traced.n_calls
    for size in SIZES[2:5]:
        use(vae, size)
    if device_loop is not True:  # which compiles each size of a batch at once
        use(vae, SIZES[2], batch_size=50)
        use(vae, SIZES[3], batch_size=20)
    assert traced.n_calls == n_calls
    use_for_inference(vae)
    model = weakref.ref(vae)
    del vae
    assert_is_gone(model)


@needs_jax
def test_no_size_of_the_data_is_compiled_anew_on_jax():
    vae = make_vae()
    use(vae, SIZES[0])
    for n in (1, 2, 4, 8, 16, 32, 64):
        vae.reconstruct(binary(n))  # each power of two is compiled once
    with programs() as compiled:
        for size in SIZES[1:]:
            use(vae, size)
        assert not compiled
        use(vae, SIZES[0], batch_size=50)
        assert compiled, "What is counted is not what JAX compiles."


def test_few_sizes_of_a_batch_are_kept():
    vae = make_vae(compile_kwargs={"device_loop": True})
    loops = []
    for batch_size in range(10, 15):
        vae.fit(binary(40), batch_size=batch_size, verbose=0)
        (*_, (loop, _)) = vae.compiled_loops.made.values()
        loops.append(weakref.ref(loop[0]))
    del loop
    gc.collect()
    assert 1 <= sum(loop() is not None for loop in loops) <= 4
    # The loops in use are not those that go.
    vae.fit(binary(40), batch_size=12, verbose=0)
    vae.fit(binary(40), batch_size=99, verbose=0)
    assert ("train", 12) in [key[:2] for key in vae.compiled_loops.made]


@pytest.mark.skipif(BACKEND == "tensorflow", reason="the model of the sizes does there")
@pytest.mark.parametrize("device_loop", [True, "auto", False])
def test_a_model_goes_with_all_that_it_compiled(device_loop):
    vae = make_vae(compile_kwargs={"device_loop": device_loop})
    use(vae, 100)
    use_for_inference(vae)
    model = weakref.ref(vae)
    del vae
    assert_is_gone(model)


def weighed(n_rows, width=8, batch_size=100, epochs=1, **compile_kwargs):
    """Returns whether a fit of that length is worth what XLA takes to compile."""
    vae = kv.VAE(
        kv.VariationalEncoder(width, kv.networks.DenseEncoder((2 * width,))),
        kv.networks.DenseDecoder(4 * width, (2 * width,)),
    )
    vae.compile(**compile_kwargs)
    vae.build((None, 4 * width))
    n_steps = epochs * n_rows // batch_size
    return policy.pays_off(vae, n_steps, n_steps)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="elsewhere Keras compiles each step")
def test_xla_compiles_only_what_earns_it():
    assert not weighed(300)
    assert not weighed(300, width=200, epochs=10)
    assert weighed(60_000, width=200, epochs=3)
    assert weighed(60_000, epochs=100)
    assert weighed(300, device_loop=True)
    assert weighed(300, jit_compile=True)


@pytest.mark.xla
@pytest.mark.skipif(BACKEND != "tensorflow", reason="elsewhere Keras compiles each step")
def test_many_short_fits_come_to_pay_off(monkeypatch):
    monkeypatch.setattr(policy, "_WORK_IN_ALL", 40 * policy._WEIGHTS_OF_A_STEP)
    x, histories = binary(160), []
    for device_loop in ("auto", False):
        keras.utils.set_random_seed(3)
        vae = make_vae(compile_kwargs={"device_loop": device_loop})
        paid, losses = [], []
        for _ in range(4):
            losses += vae.fit(x, batch_size=10, verbose=0).history["loss"]
            paid += [paid for _, paid in vae.compiled_loops.made.values()]
        histories.append(losses)
        assert paid == ([False, False, True, True] if device_loop else [])
    np.testing.assert_allclose(*histories, rtol=1e-4)


class MeanOfBatch(keras.layers.Layer):
    def call(self, x):
        return x - keras.ops.mean(x, axis=0, keepdims=True)


class MixesRows(kv.objectives.ELBO):
    """A user's own, which nobody knows."""


@needs_jax
@pytest.mark.parametrize(
    "kwargs",
    [
        {"network": [keras.layers.Dense(8), keras.layers.BatchNormalization()]},
        {"network": [keras.layers.Dense(8), MeanOfBatch()]},
        {"network": [keras.layers.Dense(8, activity_regularizer="l2")]},
        {"network": [keras.layers.Dense(8, activation=lambda x: x - x[0])]},
        {"objective": "beta_tc_vae"},
        {"objective": MixesRows()},
        {
            "objective": "iwae",
            "decoder": keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Dense(12)]),
        },
        {"likelihood": kv.likelihoods.Gaussian("optimal")},
        {"likelihood": lambda target, params: -((target - params) ** 2).sum(-1)},
        {"regularizer": lambda outputs: keras.ops.mean(outputs["z"])},
        {"kl_divergence": lambda posterior, prior, z: keras.ops.sum(z**2, -1)},
        {"compile_kwargs": {"metrics": ["mse"]}},
    ],
    ids="-".join,
)
def test_what_may_mix_rows_is_not_filled_up(kwargs):
    network = kwargs.pop("network", None)
    if network:
        kwargs["encoder"] = kv.VariationalEncoder(3, keras.Sequential(network))
    vae = make_vae(**kwargs)
    vae.build((None, N_FEATURES))
    assert not last_batch.is_filled(vae)


@needs_jax
@pytest.mark.parametrize(
    "likelihood", ["bernoulli", "gaussian", kv.likelihoods.Gaussian("learned")]
)
def test_what_is_computed_by_row_is_filled_up(likelihood):
    inputs = keras.Input((N_FEATURES,))
    hidden = keras.layers.Dropout(0.3)(keras.layers.Dense(8, "relu")(inputs))
    network = keras.Model(inputs, keras.layers.LayerNormalization()(hidden))
    vae = make_vae(encoder=kv.VariationalEncoder(3, network), likelihood=likelihood, beta=2.0)
    vae.build((None, N_FEATURES))
    assert last_batch.is_filled(vae)


def dropped_iwae():
    network = keras.Sequential([keras.layers.Dropout(0.3), keras.layers.Dense(8, "relu")])
    return {"encoder": kv.VariationalEncoder(3, network), "objective": kv.objectives.IWAE(3)}


BY_ROW = {
    "free_bits": lambda: {"objective": kv.objectives.FreeBits(0.05)},
    "capacity": lambda: {"objective": "capacity"},
    "iwae": dropped_iwae,
    "dreg": lambda: {"objective": kv.objectives.IWAE(3, "doubly_reparameterized")},
    "stl": lambda: {"objective": kv.objectives.IWAE(3, "sticking_the_landing")},
    "ciwae": lambda: {"objective": kv.objectives.CIWAE(3)},
    "miwae": lambda: {"objective": kv.objectives.MIWAE(2, 3)},
    "piwae": lambda: {"objective": kv.objectives.PIWAE(2, 3)},
    "three draws": lambda: {"encoder": kv.VariationalEncoder(3, n_samples=3)},
    "mixture": lambda: {"objective": "iwae", "prior": kv.priors.GaussianMixture(3)},
}


@needs_jax
@pytest.mark.parametrize("name", BY_ROW)
def test_a_last_batch_that_is_filled_gives_the_logs_of_keras(name):
    x, other, logs = binary(100), binary(45, seed=1), []
    for device_loop in (True, False):
        keras.utils.set_random_seed(3)
        vae = make_vae(**BY_ROW[name](), compile_kwargs={"device_loop": device_loop})
        options = {"epochs": 2, "validation_data": (other, other), "verbose": 0}
        logs.append(vae.fit(x, **options).history)
        assert not device_loop or last_batch.is_filled(vae)
    assert_same_logs(*logs, rtol=1e-5)


@needs_jax
@pytest.mark.parametrize("name", ["free_bits", "iwae", "piwae"])
def test_objectives_compile_no_size_of_the_data_anew(name):
    vae = make_vae(**BY_ROW[name]())
    vae.fit(binary(SIZES[0]), verbose=0)
    vae.evaluate(binary(SIZES[0]), verbose=0)
    with programs() as compiled:
        for size in SIZES[1:4]:
            vae.fit(binary(size), verbose=0)
            vae.evaluate(binary(size), verbose=0)
        assert not compiled
