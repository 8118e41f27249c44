"""Exported files, run by the runtimes that they are for."""

import itertools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers import make_vae, to_numpy

import keras_vae as kv
from keras_vae.export import onnx_operations
from keras_vae.export.endpoints import endpoints

BACKEND = keras.backend.backend()
no_torch = pytest.mark.skipif(BACKEND == "torch", reason="Keras writes no SavedModel on torch")
tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="written from TensorFlow only")


@pytest.fixture(scope="module")
def trained(x):
    vae = make_vae()
    vae.fit(x, verbose=0)
    return vae


@pytest.fixture(scope="module")
def expected(x, trained):
    """What the model computes of x, by endpoint and output."""
    z_mean, z_log_var = (to_numpy(t) for t in trained.posterior_params(x).values())
    return {
        "reconstruct": {"reconstruction": trained.reconstruct(x)},
        "encode": {"z_mean": z_mean, "z_log_var": z_log_var},
        "decode": {"reconstruction": trained.decode(z_mean)},
        "score": {"score": trained.score(x)},
    }


def inputs(name, x, expected):
    return expected["encode"]["z_mean"] if name == "decode" else x


def assert_close(found, values):
    for name, value in values.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5, rtol=1e-5, err_msg=name)


SERVE = """
import sys
import numpy as np
import tensorflow as tf

served = tf.saved_model.load(sys.argv[1])
arrays = np.load(sys.argv[2])
x, z_mean = arrays["x"], arrays["z_mean"]

def check(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)

for n in (1, 7, len(x)):
    check(served.reconstruct(x[:n]), arrays["reconstruction"][:n])
    check(served.serve(x[:n]), arrays["reconstruction"][:n])
    check(served.encode(x[:n])["z_mean"], z_mean[:n])
    check(served.encode(x[:n])["z_log_var"], arrays["z_log_var"][:n])
    check(served.decode(z_mean[:n]), arrays["reconstruction"][:n])
    check(served.score(x[:n]), arrays["score"][:n])
signature = served.signatures["encode"](x=tf.constant(x))
check(signature["z_mean"], z_mean)
assert served.signatures["decode"].structured_input_signature[1]["z"].shape == (None, 3)
for name in ("serve", "reconstruct", "serving_default"):
    check(served.signatures[name](x=tf.constant(x))["reconstruction"], arrays["reconstruction"])
check(served.signatures["score"](x=tf.constant(x))["score"], arrays["score"])
assert set(served.signatures) == {
    "serving_default", "serve", "reconstruct", "encode", "decode", "score", "sample"
}
assert "keras_vae" not in sys.modules  # TensorFlow itself imports Keras
"""


@pytest.mark.in_turn
@no_torch
def test_saved_model_runs_where_there_is_only_tensorflow(x, trained, expected, tmp_path):
    differences = trained.export(tmp_path / "served")
    assert set(differences) == set(expected)
    assert max(differences.values()) < 1e-5
    arrays = {name: value for outputs in expected.values() for name, value in outputs.items()}
    np.savez(tmp_path / "arrays.npz", x=x, **arrays)
    script = tmp_path / "serve.py"
    script.write_text(SERVE)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, script, tmp_path / "served", tmp_path / "arrays.npz"]
    subprocess.run(command, check=True, env=environment, cwd=tmp_path)


@pytest.mark.in_turn
@no_torch
@pytest.mark.parametrize("prior", ["gaussian_mixture", "uniform_on_sphere"])
def test_a_saved_model_samples_by_seed(x, prior, tmp_path):
    import tensorflow as tf

    network = kv.networks.DenseEncoder((8,))
    posterior = "von_mises_fisher" if prior == "uniform_on_sphere" else "diagonal_normal"
    vae = make_vae(encoder=kv.VariationalEncoder(3, network, posterior), prior=prior)
    vae.build((None, 12))
    vae.export(tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served")
    sample = served.sample(4000, 1).numpy()
    assert sample.shape == (4000, 12)
    np.testing.assert_array_equal(served.sample(4000, 1), sample)
    assert not np.allclose(served.sample(4000, 2), sample)
    signature = served.signatures["sample"](n=tf.constant(7), seed=tf.constant(1))
    assert signature["reconstruction"].shape == (7, 12)
    # The model draws other noise, of the same distribution.
    drawn = vae.sample(4000, seed=0)
    error = drawn.std(axis=0) / np.sqrt(2000)
    assert (np.abs(sample.mean(axis=0) - drawn.mean(axis=0)) < 5 * error).all()


@tensorflow_only
def test_images_are_exported_too(tmp_path):
    import tensorflow as tf

    images = (np.random.default_rng(0).random((8, 9, 9, 1)) < 0.3).astype("float32")
    vae = kv.VAE(
        kv.VariationalEncoder(2, kv.networks.ConvEncoder((4,))),
        kv.networks.ConvDecoder((9, 9, 1), filters=(4,)),
    )
    vae.build((None, 9, 9, 1))
    vae.export(str(tmp_path / "served"))
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(images), vae.reconstruct(images), atol=1e-5)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"posterior": "full_covariance_normal", "prior": "gaussian_mixture"},
        {"posterior": "inverse_autoregressive_flow", "likelihood": "laplace"},
        {"posterior": "von_mises_fisher", "prior": "uniform_on_sphere"},
    ],
    ids=lambda parts: parts.get("posterior", "default"),
)
def test_onnx_with_named_inputs_and_outputs_of_any_batch_size(x, parts, tmp_path):
    import onnxruntime

    if BACKEND == "jax" and "prior" not in parts and parts:
        pytest.skip("the others show that it is written")
    parts = dict(parts)
    network = kv.networks.DenseEncoder((8,))
    encoder = kv.VariationalEncoder(3, network, parts.pop("posterior", "diagonal_normal"))
    vae = make_vae(encoder=encoder, **parts)
    vae.build((None, 12))
    differences = vae.export(tmp_path / "onnx", format="onnx")
    assert max(differences.values()) < 1e-4
    for name, endpoint in endpoints(vae).items():
        session = onnxruntime.InferenceSession(tmp_path / "onnx" / f"{name}.onnx")
        (given,) = session.get_inputs()
        assert {given.name: tuple(given.shape[1:])} == endpoint.inputs
        assert given.shape[0] == "batch"
        values = vae.encode(x) if name == "decode" else x
        outputs = endpoint.named_outputs(keras.ops.convert_to_tensor(values))
        names = [output.name for output in session.get_outputs()]
        assert names == list(outputs)
        for n in (1, 7):
            found = session.run(None, {given.name: values[:n]})
            expected = {key: to_numpy(value)[:n] for key, value in outputs.items()}
            assert_close(dict(zip(names, found, strict=True)), expected)


@pytest.mark.skipif(BACKEND == "jax", reason="its converter knows these operations")
@pytest.mark.parametrize("likelihood", ["student_t", "negative_binomial", "discretized_logistic"])
def test_onnx_with_operations_that_converters_lack(x, likelihood, tmp_path):
    import onnxruntime

    network = keras.layers.Dense(8, activation="gelu")  # of erfc on TensorFlow
    n_params = 12 * kv.likelihoods.get(likelihood).params_per_feature
    vae = make_vae(
        encoder=kv.VariationalEncoder(3, network),
        decoder=kv.networks.DenseDecoder(n_params, (8,)),
        likelihood=likelihood,  # of log1p, expm1 or both
    )
    vae.build((None, 12))
    vae.export(tmp_path / "score.onnx", format="onnx", endpoint="score")
    session = onnxruntime.InferenceSession(tmp_path / "score.onnx")
    expected = vae.score(x)
    np.testing.assert_allclose(
        session.run(None, {"x": x})[0], expected, rtol=0, atol=1e-5 * np.abs(expected).max()
    )


def test_the_operations_made_for_onnx_lose_no_digits():
    functions = {
        "Add": np.add,
        "Div": np.divide,
        "Equal": np.equal,
        "Exp": np.exp,
        "Less": np.less,
        "Log": np.log,
        "Mul": np.multiply,
        "Sub": np.subtract,
        "Tanh": np.tanh,
        "Where": np.where,
    }

    def op(name, *inputs):
        return functions[name](*inputs)

    small = np.logspace(-30, -0.1, 400, dtype="float32")
    x = np.concatenate([small, -small, [0.0], np.linspace(1, 80, 100)]).astype("float32")
    with np.errstate(all="ignore"):
        expm1, log1p = (
            f(op, np.float32, x) for f in (onnx_operations._expm1, onnx_operations._log1p)
        )
    exact = x.astype("float64")
    np.testing.assert_allclose(expm1, np.expm1(exact), rtol=1e-6)
    np.testing.assert_allclose(log1p, np.log1p(exact), rtol=1e-6)


@pytest.mark.skipif(BACKEND == "jax", reason="its converter knows erfinv")
def test_what_a_converter_does_not_know_is_refused_with_the_way_round(tmp_path):
    given = keras.Input((12,))
    network = keras.Model(given, keras.ops.erfinv(0.5 * keras.ops.tanh(given)))
    vae = make_vae(encoder=kv.VariationalEncoder(3, network))
    vae.build((None, 12))
    with pytest.raises(
        RuntimeError, match=rf"The {BACKEND} backend cannot write `reconstruct` as "
    ) as e:
        vae.export(tmp_path / "onnx", format="onnx")
    assert "rfinv" in str(e.value) and "KERAS_BACKEND=" in str(e.value)
    assert not list(tmp_path.iterdir())


@tensorflow_only
def test_litert_of_any_batch_size(x, trained, expected, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    differences = trained.export(tmp_path / "lite", format="litert")
    assert max(differences.values()) < 1e-5
    for name, outputs in expected.items():
        interpreter = Interpreter(str(tmp_path / "lite" / f"{name}.tflite"))
        (given,) = interpreter.get_input_details()
        for n in (1, 7):
            interpreter.resize_tensor_input(given["index"], (n, *given["shape"][1:]))
            interpreter.allocate_tensors()
            interpreter.set_tensor(given["index"], inputs(name, x, expected)[:n])
            interpreter.invoke()
            found = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
            for value in outputs.values():
                assert any(np.allclose(value[:n], f, atol=1e-5, rtol=1e-5) for f in found)


@pytest.mark.skipif(BACKEND != "torch", reason="written from torch only")
def test_exported_program(x, trained, expected, tmp_path):
    import torch

    trained.export(tmp_path / "encode.pt2", format="torch", endpoint="encode")
    program = torch.export.load(tmp_path / "encode.pt2").module()
    found = dict(zip(("z_mean", "z_log_var"), program(torch.tensor(x[:1])), strict=True))
    assert_close(found, {name: value[:1] for name, value in expected["encode"].items()})


@pytest.mark.parametrize(
    ("format", "backends"),
    [("tf_saved_model", ("torch",)), ("litert", ("jax",)), ("torch", ("tensorflow", "jax"))],
)
def test_what_a_backend_cannot_write_is_refused_with_the_way_round(
    trained, tmp_path, format, backends
):
    if BACKEND not in backends:
        pytest.skip(f"{BACKEND} writes it")
    with pytest.raises(RuntimeError, match=r"vae.save\(.*KERAS_BACKEND="):
        trained.export(tmp_path / "served", format=format)
    assert not list(tmp_path.iterdir())


def test_wrong_use(trained, tmp_path):
    with pytest.raises(ValueError, match="the model is not built"):
        make_vae().export(tmp_path / "a.onnx", format="onnx")
    with pytest.raises(ValueError, match=r"Unknown format 'tflite'. Known formats: .*'litert'"):
        trained.export(tmp_path / "a.tflite", format="tflite")
    with pytest.raises(ValueError, match=r"Unknown endpoint 'sample'. Known: 'reconstruct', 'enc"):
        trained.export(tmp_path / "a.onnx", format="onnx", endpoint="sample")
    assert not list(tmp_path.iterdir())


def test_a_failed_export_leaves_the_old_one(x, trained, tmp_path, monkeypatch):
    trained.export(tmp_path / "onnx", format="onnx")
    old = {path.name: path.read_bytes() for path in (tmp_path / "onnx").iterdir()}
    trained.export(tmp_path / "onnx", format="onnx")  # in place of it
    assert sorted(path.name for path in (tmp_path / "onnx").iterdir()) == sorted(old)
    # A model that computes something else after than before it is written.
    calls = itertools.count()
    monkeypatch.setattr(
        trained, "score_given", lambda x, given: trained.call(x) + 0.1 * next(calls)
    )
    before = {path.name: path.read_bytes() for path in (tmp_path / "onnx").iterdir()}
    with pytest.raises(RuntimeError, match="score differs from the model's by"):
        trained.export(tmp_path / "onnx", format="onnx")
    assert {p.name: p.read_bytes() for p in (tmp_path / "onnx").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["onnx"]


def test_score_is_the_elbo_at_the_posterior_mean(x, trained):
    from scipy import stats

    params = {name: to_numpy(t) for name, t in trained.posterior_params(x).items()}
    variance = np.exp(params["z_log_var"])
    kl = 0.5 * (params["z_mean"] ** 2 + variance - 1 - params["z_log_var"]).sum(1)
    log_px = stats.bernoulli.logpmf(x, trained.reconstruct(x)).sum(1)
    np.testing.assert_allclose(
        trained.score(x), log_px - kl, rtol=0, atol=1e-4 * np.abs(log_px).max()
    )
    noise = np.random.default_rng(0).random(x.shape).round().astype("float32")
    assert np.median(trained.score(noise)) < np.median(trained.score(x))


def test_score_needs_a_target_like_x():
    vae = make_vae(decoder=kv.networks.DenseDecoder(5, (8,)))
    vae.build((None, 12))
    with pytest.raises(ValueError, match="target"):
        vae.score(np.zeros((2, 12)))
