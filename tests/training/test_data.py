"""One reader of data: whatever the form, the result is that of the array."""

import functools
import tracemalloc

import keras
import numpy as np
import pytest
from data_forms import (
    FORMS,
    ROWS,
    Batches,
    Frame,
    Table,
    frame,
    generator,
    loader,
    of_torch,
    sparse_tensor,
    tf_dataset,
)
from helpers import N_FEATURES, assert_same_logs, make_vae, set_same_weights
from same_runs import Restarted
from scipy import sparse

import keras_vae as kv
from keras_vae.callbacks.watched_rows import WatchedRows


@pytest.fixture(scope="module")
def vae():
    vae = make_vae()
    vae.build((None, N_FEATURES))
    set_same_weights(vae)
    return vae


@pytest.fixture(scope="module")
def expected(vae, x):
    return results(vae, lambda: x)


def results(vae, data):
    kwargs = {"batch_size": 100}
    return {
        "encode": vae.encode(data(), **kwargs),
        "reconstruct": vae.reconstruct(data(), **kwargs),
        "score": vae.score(data(), **kwargs),
        "log_likelihood": vae.log_likelihood(data(), 3, seed=0, **kwargs).log_likelihood,
        "kl_per_dimension": vae.kl_per_dimension(data(), **kwargs),
        "active_units": vae.active_units(data(), **kwargs),
    }


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_the_trained_model_takes_every_form(vae, x, form, expected):
    found = results(vae, lambda: form(x))
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@functools.cache
def restarted():
    return Restarted((None, N_FEATURES), seed=3)


def trained(fit):
    if keras.backend.backend() == "torch":  # which compiles nothing
        keras.utils.set_random_seed(3)
        vae = make_vae()
    else:
        vae = restarted()()
    history = fit(vae).history
    return np.concatenate([w.ravel() for w in vae.get_weights()]), history


def trained_on(forms):
    """Returns the forms to train on: all on torch, which compiles nothing, else one of a kind."""
    kinds = ("frame", "csr", "table", "memory map", "tf.data", "PyDataset", "DataLoader")
    of_a_kind = {name: form for name, form in forms.items() if name in (*kinds, "generator")}
    return forms if keras.backend.backend() == "torch" else of_a_kind


def shuffled(vae, x):
    return vae.fit(x, epochs=2, batch_size=50, validation_split=0.2, verbose=0)


def in_order(vae, x):
    return vae.fit(x, batch_size=37, shuffle=False, verbose=0)


@pytest.fixture(scope="module")
def runs_on_the_array(x):
    return {fit: trained(lambda vae, fit=fit: fit(vae, x)) for fit in (shuffled, in_order)}


@pytest.mark.parametrize("name", trained_on(ROWS))
def test_fit_takes_rows_in_every_form_as_it_does_the_array(x, name, runs_on_the_array):
    expected, history = runs_on_the_array[shuffled]
    found, other = trained(lambda vae: shuffled(vae, ROWS[name](x)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert_same_logs(other, history, rtol=1e-5)


@pytest.mark.parametrize("name", trained_on(FORMS))
def test_fit_takes_every_form(x, name, runs_on_the_array):
    form = generator if name == "iterator" else FORMS[name]  # batches of 37
    found, _ = trained(lambda vae: in_order(vae, form(x)))
    np.testing.assert_allclose(found, runs_on_the_array[in_order][0], rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def evaluated(x):
    vae = make_vae(noise=0.3)
    return vae, vae.evaluate(x, verbose=0, return_dict=True)


@pytest.mark.parametrize("name", trained_on(FORMS))
def test_evaluate_takes_every_form(x, name, evaluated):
    vae, logs = evaluated
    found = vae.evaluate(FORMS[name](x), verbose=0, return_dict=True)
    assert_same_logs(found, logs, rtol=1e-5)


def test_targets_and_weights_in_other_forms(x):
    y, w = 1.0 - x, np.linspace(0.0, 2.0, len(x)).astype("float32")
    options = {"batch_size": 50, "verbose": 0}
    expected, history = trained(
        lambda vae: vae.fit(x, y, sample_weight=w, validation_data=(x, y, w), **options)
    )
    forms = [
        (sparse.csr_matrix(x), frame(y), w.astype("float64")),
        (Table(x=x), sparse_tensor(y), of_torch(w)),
    ]
    for a, b, weights in forms:
        found, other = trained(
            lambda vae, a=a, b=b, weights=weights: vae.fit(
                a, b, sample_weight=weights, validation_data=(a, b, weights), **options
            )
        )
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(other["val_loss"], history["val_loss"], rtol=1e-5)
    # Weights without a target, of rows that are read by batches.
    one = trained(lambda vae: vae.fit(x, sample_weight=w, **options))[0]
    other = trained(lambda vae: vae.fit(sparse.csr_matrix(x), sample_weight=w, **options))[0]
    np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("stream", [tf_dataset, Batches, loader, generator])
def test_streams_of_targets(vae, x, stream):
    y, w = 1.0 - x, np.ones(len(x), "float32")
    np.testing.assert_array_equal(vae.encode(stream(x, y, w)), vae.encode(x))
    np.testing.assert_array_equal(vae.score(stream(x, y)), vae.score(x, y))
    np.testing.assert_array_equal(
        vae.log_likelihood(stream(x, y, w), 3, seed=0), vae.log_likelihood(x, 3, y=y, seed=0)
    )


def test_codes_come_in_streams_too(vae, x):
    z = vae.encode(x)
    np.testing.assert_array_equal(vae.decode(generator(z)), vae.decode(z))
    np.testing.assert_array_equal(vae.decode(z[:5].tolist()), vae.decode(z[:5]))
    np.testing.assert_array_equal(
        vae.interpolate(sparse.csr_matrix(x[:3]), generator(x[3:6])), vae.interpolate(x[:3], x[3:6])
    )


@pytest.mark.parametrize("kind", ["uint8", "int64", "bool"])
def test_integers_and_booleans_stay_what_they_are(kind):
    class Sees(keras.layers.Layer):
        def call(self, x):
            seen.append(keras.backend.standardize_dtype(x.dtype))
            return keras.ops.cast(x, "float32")

        def compute_output_shape(self, shape):
            return shape

    seen = []
    vae = make_vae()
    vae.build((None, N_FEATURES))
    x = np.eye(N_FEATURES).astype(kind)
    layer = Sees()
    vae.compiled_inference("look", layer, sparse.csr_matrix(x), (N_FEATURES,), 5)
    vae.compiled_inference("look", layer, generator(x), (N_FEATURES,), 5)
    expected = "int32" if (kind, keras.backend.backend()) == ("int64", "jax") else kind
    assert set(seen) == {expected}


def test_duplicates_of_a_sparse_matrix_are_summed(vae):
    rows, columns, values = [0, 0, 1], [2, 2, 5], np.float32([0.25, 0.5, 1.0])
    matrix = sparse.coo_matrix((values, (rows, columns)), shape=(2, N_FEATURES))
    np.testing.assert_array_equal(vae.encode(matrix), vae.encode(matrix.toarray()))


def test_missing_values_of_a_frame_are_nan():
    data = Frame({"a": [1.0, None, 3.0], "b": [True, False, True]})
    np.testing.assert_array_equal(WatchedRows(data, None, 5).x, [[1, 1], [np.nan, 0], [3, 1]])


def test_first_rows_take_no_more_than_they_need(x):
    stream = generator(x)
    np.testing.assert_array_equal(WatchedRows(stream, None, 50).x, x[:50])
    assert len(next(stream)) == 37
    np.testing.assert_array_equal(WatchedRows(sparse.csr_matrix(x), None, 5).x, x[:5])
    np.testing.assert_array_equal(WatchedRows(generator(x[:5]), None, 50).x, x[:5])


def test_streams_of_any_length_take_the_memory_of_a_few_batches():
    n_batches, rows, features = 64, 100, 2_000
    batch = np.random.default_rng(0).random((rows, features), "float32")
    vae = make_vae(decoder=kv.networks.DenseDecoder(features, (4,)))
    vae.build((None, features))
    matrix = sparse.csr_matrix(
        (np.ones(5, "float32"), (np.arange(5), np.arange(5))), (n_batches * rows, features)
    )
    for data in (lambda: (batch + 0.0 for _ in range(n_batches)), lambda: matrix):
        vae.encode(data())  # what is kept for good
        tracemalloc.start()
        try:
            n = len(vae.encode(data())), len(vae.score(data())), vae.active_units(data())
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert n[:2] == (n_batches * rows, n_batches * rows)
        assert peak < 12 * batch.nbytes < n_batches * batch.nbytes / 5
