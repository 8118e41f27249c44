"""Data that no VAE takes, and options that train nothing, are refused by name."""

import warnings

import keras
import numpy as np
import pytest
from data_forms import Batches, Frame, Table, generator, tf_dataset
from helpers import N_FEATURES, make_vae, on_one_backend
from scipy import sparse

import keras_vae as kv


@pytest.fixture
def vae():
    vae = make_vae()
    vae.build((None, N_FEATURES))
    return vae


def calls(vae):
    return [vae.fit, vae.evaluate, vae.encode, vae.reconstruct, vae.score, vae.log_likelihood]


class TorchDataset:
    pass


def torch_dataset(x):
    import torch

    return torch.utils.data.TensorDataset(torch.from_numpy(x))


def ragged(x):
    import tensorflow as tf

    return tf.ragged.constant([[1.0], [1.0, 0.0]])


NO_DATA = {
    "list of inputs": (lambda x: [x, x[:, :3]], r"list of 2, of shapes \(256, 12\), \(256, 3\)"),
    "list of equal inputs": (lambda x: [x, x], r"one array.*concatenate.*np.stack"),
    "dict of inputs": (lambda x: {"a": x, "b": x}, r"x is a dict of 'a' .* must be one array"),
    "uneven lists": (lambda x: [[1.0, 0.0], [1.0]], "different lengths"),
    "table": (lambda x: Table(image=x, label=x[:, 0]), r"'image', 'label'.*select_columns"),
    "text in a table": (lambda x: Table(x=x.astype(str)), r"column 'x'.*with_format"),
    "text in a frame": (
        lambda x: Frame({"age": [1.0, 2.0], "city": ["Rome", "Bonn"]}),
        r"column 'city' must hold numbers or booleans, but has values of type str",
    ),
    "text": (lambda x: x.astype(str), "must hold numbers"),
    "complex": (lambda x: x.astype("complex64"), "must hold numbers"),
    "ragged": (ragged, "ragged.*to_tensor"),
    "one number": (lambda x: 3, "must be an array"),
    "name": (lambda x: "mnist", "must be an array"),
    "torch dataset": (torch_dataset, "DataLoader"),
    "stream of dicts": (
        lambda x: ({"image": b} for b in generator(x)),
        r"batch 0 of x is a dict of 'image'",
    ),
    "stream of four": (lambda x: Batches(x, x, x, x), r"batch 0 of x has 4 parts"),
    "uneven parts": (lambda x: iter([(x[:5], x[:4])]), r"batch 0 of x has parts of 5, 4 rows"),
    "no batch": (lambda x: generator(x[:0]), "x is empty"),
    "no batch of tf.data": (lambda x: tf_dataset(x[:0]), "x is empty"),
    "no batch of a PyDataset": (lambda x: Batches(x[:0]), "empty"),
    "no row of a sparse matrix": (lambda x: sparse.csr_matrix(x[:0]), r"empty|with n > 0"),
    "other width": (lambda x: sparse.csr_matrix(x[:, :5]), r"samples of shape \(5,\)"),
    "other width of a stream": (lambda x: generator(x[:, :5]), r"samples of shape \(5,\)"),
    "infinite": (lambda x: sparse.csr_matrix(x * np.inf), "NaN or infinite"),
}


@on_one_backend
@pytest.mark.parametrize(("make", "message"), NO_DATA.values(), ids=NO_DATA.keys())
def test_what_is_no_data_is_refused_by_every_call(vae, x, make, message):
    for call in calls(vae):
        if message == "NaN or infinite" and call.__name__ in ("encode", "reconstruct", "score"):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # inf · 0
            with pytest.raises((ValueError, TypeError), match=message):
                call(make(x))
    assert int(vae.optimizer.iterations) == 0


def test_a_later_batch_is_named(vae, x):
    def batches():
        yield x[:30]
        yield x[:20, :7]

    for call in calls(vae)[2:]:
        with pytest.raises(ValueError, match=r"Batch 1 of x.*\(20, 7\)"):
            call(batches())
    with pytest.raises(Exception, match=r"Batch 1 of x has samples of shape \(7,\)"):
        vae.fit(batches(), verbose=0)
    with pytest.raises(ValueError, match="Batch 1 of x has a target where others have none"):
        vae.score(iter([x[:5], (x[:5], x[:5])]))


def test_streams_without_end(vae, x):
    class Endless(Batches):
        num_batches = None

    for stream in (tf_dataset(x).repeat(), Endless(x)):
        with pytest.raises(ValueError, match="x has no end"):
            vae.encode(stream)


def test_a_stream_brings_its_target(vae, x):
    for call in (vae.fit, vae.evaluate, vae.score):
        with pytest.raises(ValueError, match=r"x is a stream.*let its batches be \(x, y\)"):
            call(generator(x), y=x)
    with pytest.raises(ValueError, match=r"not a stream|received a stream"):
        vae.fit(x, generator(x))
    with pytest.raises(ValueError, match="received a stream"):
        vae.score(x, generator(x))
    with pytest.raises(ValueError, match=r"x is a stream.*own sample_weight"):
        vae.fit(generator(x), sample_weight=np.ones(256))
    with pytest.raises(ValueError, match="x has 256 samples, but its target has 255"):
        vae.fit(x, x[1:])
    with pytest.raises(ValueError, match="x has 256 samples, but y has 255"):
        vae.score(x, x[1:])


NO_RUN = {
    "all for validation": ({"validation_split": 1.0}, r"validation_split must.*received 1.0"),
    "negative split": ({"validation_split": -0.1}, r"validation_split must.*received -0.1"),
    "split of a word": ({"validation_split": "0.1"}, "validation_split must"),
    "no batch": ({"batch_size": 0}, "batch_size must be a positive integer; received 0"),
    "negative batch": ({"batch_size": -1}, "batch_size must be a positive integer; received -1"),
    "float batch": ({"batch_size": 32.0}, "batch_size must be a positive integer; received 32.0"),
    "no epoch": ({"epochs": 0}, "epochs must be a positive integer; received 0"),
    "float epochs": ({"epochs": 2.0}, "epochs must be a positive integer; received 2.0"),
    "no validation": ({"validation_freq": 0}, "validation_freq must be a positive integer"),
    "no epoch to validate": ({"validation_freq": [0]}, "each epoch of validation_freq"),
    "no steps": ({"steps_per_epoch": 0}, "steps_per_epoch must be a positive integer"),
    "no validation batch": (
        {"validation_batch_size": -1},
        "validation_batch_size must be a positive integer",
    ),
    "classes": ({"class_weight": {0: 1.0}}, "no classes to weigh.*sample_weight"),
}


@on_one_backend
@pytest.mark.parametrize("device_loop", [True, False])
@pytest.mark.parametrize(("options", "message"), NO_RUN.values(), ids=NO_RUN.keys())
def test_options_that_make_no_sense(x, options, message, device_loop):
    vae = make_vae(compile_kwargs={"device_loop": device_loop})
    with pytest.raises(ValueError, match=message):
        vae.fit(x, verbose=0, **options)
    if "batch_size" in options:
        with pytest.raises(ValueError, match=message):
            vae.evaluate(x, verbose=0, **options)
        vae.build((None, N_FEATURES))
        for call in (vae.encode, vae.score, vae.log_likelihood):
            with pytest.raises(ValueError, match=message):
                call(x, **options)
    assert int(vae.optimizer.iterations) == 0


@on_one_backend
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_splits_that_leave_nothing(x, form):
    for rows, split in ((1, 0.5), (2, 0.6)):
        with pytest.raises(ValueError, match=f"leaves 0 of {rows} samples to train on"):
            make_vae().fit(form(x[:rows]), validation_split=split)
    with pytest.raises(ValueError, match="leaves 256 of 256"):
        make_vae().fit(form(x), validation_split=1e-17)
    with pytest.raises(ValueError, match=r"x is a stream.*validation_data"):
        make_vae().fit(generator(x), validation_split=0.5)


def test_numpy_counts(x):
    vae = make_vae()
    history = vae.fit(
        x,
        batch_size=np.int64(64),
        epochs=np.int32(2),
        validation_split=np.float32(0.25),
        validation_freq=np.int64(2),
        verbose=0,
    ).history
    assert len(history["loss"]) == 2 and len(history["val_loss"]) == 1
    assert vae.encode(x, batch_size=np.int64(50)).shape == (256, 3)


def test_what_float16_cannot_hold():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        data = np.float32([[1.0] * 11 + [70_000.0], [0.0] * 12])
        for form in (np.asarray, sparse.csr_matrix, Batches):
            vae = make_vae(likelihood="gaussian")
            with pytest.raises(ValueError, match="to 70000, but the model computes in float16"):
                vae.fit(form(data), verbose=0)
            vae.build((None, N_FEATURES))
            with pytest.raises(ValueError, match="to 70000, but the model computes in float16"):
                vae.encode(form(data))
        vae.fit(np.minimum(data, 60_000.0), verbose=0)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    "dtype", ["int64", *(pytest.param(d, marks=on_one_backend) for d in ("int32", "uint32"))]
)
def test_whole_numbers_that_float16_cannot_hold(dtype):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        counts = np.array([[1] * 11 + [70_000], [0] * 12], dtype)
        for form in (np.asarray, sparse.csr_matrix, Batches):
            vae = make_vae(likelihood="poisson")
            with pytest.raises(ValueError, match=r"from 0 to 70000, but .* in float16"):
                vae.fit(form(counts), verbose=0)
            with pytest.raises(ValueError, match=r"from 0 to 70000, but .* in float16"):
                vae.encode(form(counts))
        vae.fit(np.minimum(counts, 60_000), verbose=0)
        # As ids they are never cast.
        layers = [keras.layers.Embedding(70_001, 2), keras.layers.Flatten()]
        encoder = kv.VariationalEncoder(3, keras.Sequential(layers))
        make_vae(likelihood="poisson", encoder=encoder).fit(counts, verbose=0)
    finally:
        keras.config.set_dtype_policy("float32")


@on_one_backend
def test_messages_part_the_name_and_the_code(x):
    bad = x.copy()
    bad[3, 4] = np.nan
    message = r"the validation x has NaN .* np.argwhere\(~np.isfinite\(x\)\)"
    with pytest.raises(ValueError, match=message):
        make_vae().fit(x, validation_data=bad)
    with pytest.raises(ValueError, match=r"the target of x has NaN .*isfinite\(x\)\)"):
        make_vae(likelihood="gaussian").fit(x, bad)
    with pytest.raises(ValueError, match=r"the validation x has shape \(256,\).* x\[None\]"):
        make_vae().fit(x, validation_data=x[:, 0])


@on_one_backend
def test_parts_of_other_forms():
    inputs = keras.Input((3,))
    two = keras.Model(inputs, [keras.layers.Dense(12)(inputs), keras.layers.Dense(12)(inputs)])
    with pytest.raises(ValueError, match=r"decoder must give one tensor.*gives 2"):
        make_vae(decoder=two).build((None, N_FEATURES))
    named = keras.Model(inputs, {"mean": keras.layers.Dense(12)(inputs)})
    with pytest.raises(ValueError, match=r"decoder must give one tensor.*gives a dict"):
        make_vae(decoder=named).build((None, N_FEATURES))
    image = keras.Input((8, 8, 1))
    mean, log_var = (keras.layers.Conv2D(2, 3, 2, "same")(image) for _ in "12")
    encoder = keras.Model(image, [mean, log_var, kv.SampleLayer()((mean, log_var))])
    with pytest.raises(ValueError, match=r"no codes of shape \(4, 4, 2\), a grid.*Flatten"):
        kv.VAE(encoder, kv.networks.DenseDecoder((8, 8, 1))).build((None, 8, 8, 1))
    a, b = keras.Input((12,)), keras.Input((3,))
    joined = keras.layers.Concatenate()([a, b])
    outputs = [keras.layers.Dense(3)(joined) for _ in "123"]
    network = keras.Model([a, b], joined)
    for encoder in (keras.Model([a, b], outputs), kv.VariationalEncoder(3, network)):
        vae = kv.VAE(encoder, kv.networks.DenseDecoder(12))
        with pytest.raises(ValueError, match=r"takes 2 inputs, .*np.concatenate"):
            vae.build((None, 12))


@on_one_backend
def test_evaluate_names_its_own_argument(x):
    vae = make_vae()
    vae.build((None, N_FEATURES))
    with pytest.raises(ValueError, match=r"^steps must be a positive integer"):
        vae.evaluate(x, steps=0, verbose=0)
