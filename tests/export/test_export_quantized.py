"""LiteRT files of fewer bits."""

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, make_vae

import keras_vae as kv

BACKEND = keras.backend.backend()
tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="written from TensorFlow only")
BOUNDS = {"float16": 0.01, "dynamic": 0.05, "int8": 0.1}


@pytest.fixture(scope="module")
def trained(x):
    vae = make_vae(
        encoder=kv.VariationalEncoder(3, kv.networks.DenseEncoder((96, 96))),
        decoder=kv.networks.DenseDecoder(N_FEATURES, (96, 96)),
    )
    vae.fit(x, epochs=3, verbose=0)
    return vae


def tensors(path):
    """Returns how many tensors of a LiteRT file have each dtype."""
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(str(path)).get_tensor_details()
    dtypes = [np.dtype(detail["dtype"]).name for detail in details]
    return {name: dtypes.count(name) for name in dtypes}


@tensorflow_only
def test_quantized_files_are_smaller_and_near_the_model(x, trained, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    sizes, options = {}, {"format": "litert", "endpoint": "reconstruct"}
    for kind, bound in {None: 1e-5, **BOUNDS}.items():
        path = tmp_path / f"{kind}.tflite"
        rows = x if kind == "int8" else None
        differences = trained.export(path, quantize=kind, representative=rows, **options)
        assert (0.0 if kind is None else 1e-6) <= differences["reconstruct"] < bound
        sizes[kind], found = path.stat().st_size, tensors(path)
        # Weights of one byte or two, and activations of one byte for int8.
        assert (found.get("float16", 0) > 0) == (kind == "float16")
        assert (found.get("int8", 0) > 0) == (kind in ("dynamic", "int8"))
        runner = Interpreter(str(path)).get_signature_runner()
        for n in (1, 7):
            (reconstruction,) = runner(x=x[:n]).values()
            np.testing.assert_allclose(reconstruction, trained.reconstruct(x[:n]), atol=bound)
    assert sizes["float16"] < 0.7 * sizes[None]
    assert max(sizes["dynamic"], sizes["int8"]) < 0.5 * sizes[None]


@tensorflow_only
def test_each_function_is_quantized_on_its_own_input(x, trained, tmp_path):
    options = {"format": "litert", "quantize": "int8", "representative": x}
    differences = trained.export(tmp_path / "model", **options)
    assert set(differences) == {"reconstruct", "encode", "decode", "score"}
    assert all(1e-6 < difference < BOUNDS["int8"] for difference in differences.values())


@tensorflow_only
def test_int8_of_a_score_with_a_target(x, tmp_path):
    vae = make_vae(decoder=kv.networks.DenseDecoder(5, (8,)))
    vae.build((None, N_FEATURES))
    path = tmp_path / "score.tflite"
    options = {"format": "litert", "endpoint": "score", "quantize": "int8"}
    assert vae.export(path, representative=(x, x[:, :5]), **options)["score"] < 0.1
    with pytest.raises(ValueError, match=r"representative must be x and y.*pass \(x, y\)"):
        vae.export(path, representative=x, **options)


@tensorflow_only
def test_a_saved_model_can_be_quantized_to_int8(x, trained, tmp_path):
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    trained.export(tmp_path / "served")
    for key in ("serving_default", "encode", "score"):
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(tmp_path / "served"), signature_keys=[key]
        )
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([row[None]] for row in x[:50])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        (tmp_path / "a.tflite").write_bytes(converter.convert())
        assert tensors(tmp_path / "a.tflite")["int8"] > 5
        if key == "serving_default":
            runner = Interpreter(str(tmp_path / "a.tflite")).get_signature_runner(key)
            (found,) = runner(x=x[:1]).values()
            np.testing.assert_allclose(found, trained.reconstruct(x[:1]), atol=0.1)


def test_wrong_use(x, trained, tmp_path):
    def export(**options):
        trained.export(tmp_path / "model", **options)

    with pytest.raises(ValueError, match=r"representative=.* is what quantize=.* measures on"):
        export(representative=x)
    with pytest.raises(ValueError, match=r"quantize must be one of 'float16', 'dynamic', 'int8'"):
        export(format="litert", quantize="int4")
    with pytest.raises(ValueError, match=r"quantize='int8' goes with format=\"litert\""):
        export(quantize="int8", representative=x)
    if BACKEND == "tensorflow":
        with pytest.raises(ValueError, match="pass representative=x"):
            export(format="litert", quantize="int8")
        with pytest.raises(ValueError, match=r"representative has x of shape \(256, 5\)"):
            export(format="litert", quantize="int8", representative=x[:, :5])
    else:
        with pytest.raises(RuntimeError, match=r"vae.save\(.*KERAS_BACKEND=tensorflow"):
            export(format="litert", quantize="float16")
    assert not list(tmp_path.iterdir())
