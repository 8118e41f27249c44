import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers import make_vae, to_numpy

import keras_vae as kv

BACKEND = keras.backend.backend()

SERVE = """
import sys
import numpy as np
import tensorflow as tf

served = tf.saved_model.load(sys.argv[1])
arrays = np.load(sys.argv[2])
x, z_mean = arrays["x"], arrays["z_mean"]

def check(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-5)

for n in (1, 7, len(x)):
    check(served.reconstruct(x[:n]), arrays["reconstruction"][:n])
    check(served.serve(x[:n]), arrays["reconstruction"][:n])
    check(served.encode(x[:n])["z_mean"], z_mean[:n])
    check(served.encode(x[:n])["z_log_var"], arrays["z_log_var"][:n])
    check(served.decode(z_mean[:n]), arrays["reconstruction"][:n])
signature = served.signatures["encode"](x=tf.constant(x))
check(signature["z_mean"], z_mean)
assert {"serve", "reconstruct", "encode", "decode"} <= set(served.signatures)
assert "keras_vae" not in sys.modules  # TensorFlow itself imports Keras
"""


@pytest.mark.skipif(BACKEND == "torch", reason="Keras writes no SavedModel on torch")
def test_saved_model_runs_where_there_is_only_tensorflow(x, tmp_path):
    vae = make_vae()
    vae.fit(x, verbose=0)
    vae.export(tmp_path / "served")
    z_mean, z_log_var = (to_numpy(t) for t in vae.posterior_params(x).values())
    np.savez(tmp_path / "arrays.npz", x=x, z_mean=z_mean, z_log_var=z_log_var,
             reconstruction=vae.reconstruct(x))  # fmt: skip
    script = tmp_path / "serve.py"
    script.write_text(SERVE)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, script, tmp_path / "served", tmp_path / "arrays.npz"]
    subprocess.run(command, check=True, env=environment, cwd=tmp_path)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras writes no SavedModel on torch")
def test_images_are_exported_too(tmp_path):
    images = (np.random.default_rng(0).random((8, 9, 9, 1)) < 0.3).astype("float32")
    vae = kv.VAE(
        kv.VariationalEncoder(2, kv.networks.ConvEncoder((4,))),
        kv.networks.ConvDecoder((9, 9, 1), filters=(4,)),
    )
    vae.build((None, 9, 9, 1))
    vae.export(str(tmp_path / "served"))
    import tensorflow as tf

    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(images), vae.reconstruct(images), atol=1e-5)


@pytest.mark.skipif(BACKEND != "torch", reason="what torch cannot do")
def test_torch_says_how_to_get_a_saved_model(tmp_path):
    vae = make_vae()
    vae.build((None, 12))
    with pytest.raises(RuntimeError, match="KERAS_BACKEND=tensorflow"):
        vae.export(tmp_path / "served")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the extra installs TensorFlow's converter")
def test_onnx_of_a_model_that_was_only_built(x, tmp_path):
    import onnxruntime

    vae = make_vae()
    vae.build((None, 12))
    vae.export(str(tmp_path / "vae.onnx"), format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "vae.onnx")
    for n in (1, 7):
        (found,) = session.run(None, {session.get_inputs()[0].name: x[:n]})
        np.testing.assert_allclose(found, vae.reconstruct(x[:n]), atol=1e-5)
