"""Exported models with a condition, run by the runtimes that they are for."""

import keras
import numpy as np
import pytest
from helpers import LATENT_DIM, N_FEATURES, assert_close, make_vae

import keras_vae as kv

BACKEND = keras.backend.backend()
FORMATS = {
    "tensorflow": ["tf_saved_model", "onnx", "litert"],
    "jax": ["tf_saved_model", "onnx"],
    "torch": ["onnx", "torch"],
}[BACKEND]
SUFFIXES = {"onnx": "onnx", "litert": "tflite", "torch": "pt2"}

DIGITS = (np.arange(256) % 3).astype("int32")
ANGLES = np.random.default_rng(0).normal(3.0, 2.0, size=(256, 1)).astype("float32")


def runner(path, format, name):
    """Returns the function of a file, from arrays by name to arrays by name or in order."""
    if format == "tf_saved_model":
        import tensorflow as tf

        signature = tf.saved_model.load(str(path)).signatures[name]
        return lambda **inputs: signature(**{k: tf.constant(v) for k, v in inputs.items()})
    file = path / f"{name}.{SUFFIXES[format]}"
    if format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(file)
        names = [value.name for value in session.get_outputs()]
        return lambda **inputs: dict(zip(names, session.run(None, inputs), strict=True))
    if format == "litert":
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter(str(file)).get_signature_runner("serving_default")
    import torch

    program = torch.export.load(file).module()
    return lambda **inputs: {"": program({k: torch.tensor(v) for k, v in inputs.items()})}


def one_hot():
    vae = make_vae(condition=kv.conditions.OneHot(3))
    vae.build((None, N_FEATURES))  # of x alone
    return vae, {"condition": DIGITS}, DIGITS


def unknown():
    conditions = {
        "digit": kv.conditions.Embedding(3, 2, unknown=0.2),
        "angle": kv.conditions.Continuous(1, unknown=0.2),
    }
    digits, angles = DIGITS.copy(), ANGLES.copy()
    digits[0], angles[0] = -1, np.nan
    given = {"digit": digits, "angle": angles}
    return make_vae(condition=conditions, prior="conditional_normal"), given, given


def exposure():
    vae = make_vae(likelihood="poisson", condition=kv.conditions.SizeFactor())
    size = 1.0 + DIGITS.astype("float32")
    return vae, {"condition": size}, size


def image():
    network = keras.Sequential([keras.layers.Conv2D(2, 2), keras.layers.Flatten()])
    c = np.random.default_rng(1).normal(size=(256, 3, 3, 1)).astype("float32")
    vae = make_vae(
        condition=kv.conditions.FromLayer(network, (3, 3, 1)), prior="conditional_mixture"
    )
    return vae, {"condition": c}, c


MODELS = {f.__name__: f for f in (one_hot, unknown, exposure, image)}
# Those that differ most.
CASES = {
    "tensorflow": [
        ("unknown", "litert"),
        ("unknown", "tf_saved_model"),
        ("exposure", "onnx"),
        ("image", "tf_saved_model"),
    ],
    "jax": [("unknown", "tf_saved_model"), ("unknown", "onnx")],
    "torch": [("one_hot", "torch"), ("unknown", "onnx"), ("exposure", "torch"), ("image", "onnx")],
}[BACKEND]


@pytest.mark.parametrize(("model", "format"), CASES)
def test_every_function_takes_the_condition_by_name(x, model, format, tmp_path):
    vae, rows, c = MODELS[model]()
    vae.fit(x, condition=c, verbose=0)
    differences = vae.export(tmp_path / "model", format=format)
    assert set(differences) == {"reconstruct", "encode", "decode", "score"}
    n = 1 if format in ("litert", "torch") else 7
    x, rows = x[:n], {name: value[:n] for name, value in rows.items()}
    c = rows if model == "unknown" else rows["condition"]
    z = vae.encode(x, condition=c)
    expected = {
        "reconstruct": vae.reconstruct(x, condition=c),
        "encode": z,
        "decode": vae.decode(z, condition=c),
        "score": vae.score(x, condition=c),
    }
    outputs = {"encode": "z_mean", "score": "score"}
    for name, value in expected.items():
        run = runner(tmp_path / "model", format, name)
        main = {"z": z} if name == "decode" else {"x": x}
        found = run(**main, **rows)
        key = outputs.get(name, "reconstruction")
        found = found[key] if key in found else next(iter(found.values()))
        found = found[0] if isinstance(found, (tuple, list)) else found
        assert_close(np.asarray(found).reshape(value.shape), value, 1e-4)


@pytest.mark.parametrize("format", FORMATS[:2])  # litert: test_export_functions.py
def test_score_takes_the_target_behind_the_condition(x, format, tmp_path):
    vae = make_vae(condition=kv.conditions.OneHot(3))
    vae.fit(x, 1.0 - x, condition=DIGITS, verbose=0)
    vae.export(tmp_path / "model", format=format)
    inputs = {"x": x[:1], "condition": DIGITS[:1], "y": 1.0 - x[:1]}
    found = runner(tmp_path / "model", format, "score")(**inputs)
    expected = vae.score(x[:1], inputs["y"], condition=DIGITS[:1])
    assert_close(np.asarray(next(iter(found.values()))), expected, 1e-5)
    if format == "tf_saved_model":
        import tensorflow as tf

        served = tf.saved_model.load(str(tmp_path / "model"))
        assert_close(np.asarray(served.score(*inputs.values())), expected, 1e-5)


def test_onnx_says_the_dtypes_and_any_batch(x, tmp_path):
    import onnxruntime

    vae, _, c = unknown()
    vae.fit(x, condition=c, verbose=0)
    vae.export(tmp_path / "encode.onnx", format="onnx", endpoint="encode")
    session = onnxruntime.InferenceSession(tmp_path / "encode.onnx")
    given = {value.name: (value.type, value.shape) for value in session.get_inputs()}
    assert given == {
        "x": ("tensor(float)", ["batch", N_FEATURES]),
        "digit": ("tensor(int32)", ["batch"]),
        "angle": ("tensor(float)", ["batch", 1]),
    }


# Keras writes no SavedModel on torch.
@pytest.mark.parametrize(
    "prior",
    {
        "tensorflow": ["standard_normal", "conditional_mixture"],
        "jax": ["conditional_normal"],
        "torch": [],
    }[BACKEND],
)
def test_a_saved_model_samples_a_row_for_each_condition(x, prior, tmp_path):
    import tensorflow as tf

    vae = make_vae(condition=kv.conditions.OneHot(3), prior=prior)
    vae.fit(np.where(DIGITS[:, None] == 2, 1.0 - x, x), condition=DIGITS, epochs=10, verbose=0)
    vae.export(tmp_path / "model", draws=True)
    served = tf.saved_model.load(str(tmp_path / "model"))
    inputs = served.signatures["sample"].structured_input_signature[1]
    assert set(inputs) == {"condition", "seed"}
    c = np.repeat(np.arange(3, dtype="int32"), 2000)
    sample = served.sample(c, 1).numpy()
    by_name = served.signatures["sample"](condition=tf.constant(c), seed=tf.constant(1))
    np.testing.assert_array_equal(by_name["reconstruction"], sample)
    np.testing.assert_array_equal(served.sample(c, 1), sample)
    assert not np.allclose(served.sample(c, 2), sample)
    # The model draws other noise, of the same distribution for each category.
    drawn = vae.sample(len(c), seed=0, condition=c)
    for k in range(3):
        found, expected = sample[c == k], drawn[c == k]
        error = np.maximum(expected.std(axis=0), 1e-4) / np.sqrt(1000)
        assert (np.abs(found.mean(axis=0) - expected.mean(axis=0)) < 5 * error).all()
    # Draws of z and x take it too.
    rows, c = np.repeat(x[:1], 4000, axis=0), np.full(4000, 2, "int32")
    z = served.draw_z(rows, c, 1).numpy()
    found = vae.encode_distribution(x[:1], condition=2)
    assert (np.abs(z.mean(axis=0) - found.z_mean) < 5 * found.z_std / np.sqrt(4000)).all()
    z = np.zeros((4000, LATENT_DIM), "float32")
    draws = served.signatures["draw_x"](z=z, condition=tf.constant(c), seed=tf.constant(3))["x"]
    mean = vae.decode(z[:1], condition=2)
    assert np.abs(draws.numpy().mean(axis=0) - mean).max() < 5 * 0.5 / np.sqrt(4000)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="written from TensorFlow only")
def test_int8_measures_on_a_dict_of_x_and_the_condition(x, tmp_path):
    vae = make_vae(condition=kv.conditions.OneHot(3))
    vae.fit(x, condition=DIGITS, verbose=0)
    options = {"format": "litert", "quantize": "int8"}
    data = {"x": x, "condition": DIGITS}
    differences = vae.export(tmp_path / "model", representative=data, **options)
    assert all(1e-6 < difference < 0.1 for difference in differences.values())
    with pytest.raises(ValueError, match="condition is missing"):
        vae.export(tmp_path / "model", representative=x, **options)


def test_names_that_no_input_can_have_are_refused(x, tmp_path):
    vae = make_vae(condition={"cell type": kv.conditions.OneHot(3)})
    vae.fit(x, condition={"cell type": DIGITS}, verbose=0)
    with pytest.raises(ValueError, match="'cell type' is to be the name of an input"):
        vae.export(tmp_path / "model", format=FORMATS[0])
    assert not list(tmp_path.iterdir())
