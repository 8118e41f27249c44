"""What is exported of a model: a target of its own, and nothing that draws unasked."""

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, assert_close, make_vae, on_one_backend, to_numpy

import keras_vae as kv

BACKEND = keras.backend.backend()
FORMATS = {
    "tensorflow": ["tf_saved_model", "onnx", "litert"],
    "jax": ["tf_saved_model", "onnx"],
    "torch": ["onnx", "torch"],
}[BACKEND]


def run_exported(path, format, **inputs):
    """Returns the score that a runtime computes of named inputs."""
    if format == "tf_saved_model":
        import tensorflow as tf

        served = tf.saved_model.load(str(path))
        assert set(served.signatures["score"].structured_input_signature[1]) == set(inputs)
        by_name = served.signatures["score"](**{k: tf.constant(v) for k, v in inputs.items()})
        np.testing.assert_array_equal(by_name["score"], served.score(*inputs.values()))
        return by_name["score"].numpy()
    if format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path / "score.onnx")
        assert {value.name for value in session.get_inputs()} == set(inputs)
        return session.run(None, inputs)[0]
    if format == "litert":
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(str(path / "score.tflite")).get_signature_runner("serving_default")
        (score,) = runner(**inputs).values()
        return score
    import torch

    program = torch.export.load(path / "score.pt2").module()
    tensors = {name: torch.tensor(value) for name, value in inputs.items()}
    return program(tensors if len(tensors) > 1 else tensors["x"]).numpy()


@pytest.mark.in_turn
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("target", ["x", "another", "of another shape"])
def test_score_takes_the_target_where_it_is_not_x(x, format, target, tmp_path):
    n_target = 5 if target == "of another shape" else N_FEATURES
    vae = make_vae(decoder=kv.networks.DenseDecoder(n_target, (8,)))
    vae.build((None, N_FEATURES))
    if target == "another":
        vae.fit(x, 1.0 - x, verbose=0)
    x, y = x[:1], 1.0 - x[:1, :n_target]
    given = {"x": x} if target == "x" else {"x": x, "y": y}
    if format == "tf_saved_model":
        vae.export(tmp_path / "model")
    else:
        (tmp_path / "model").mkdir()
        suffix = {"onnx": "onnx", "litert": "tflite", "torch": "pt2"}[format]
        vae.export(tmp_path / "model" / f"score.{suffix}", format=format, endpoint="score")
    expected = to_numpy(vae.score_given(*map(keras.ops.convert_to_tensor, given.values())))
    score = run_exported(tmp_path / "model", format, **given)
    assert_close(score, expected, rtol=1e-5)
    if target == "another":
        assert abs(score - vae.score(x, x)).max() > 0.1


@keras.saving.register_keras_serializable(package="tests")
class AlwaysNoise(keras.layers.Layer):
    """Draws in inference too."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, inputs):
        noise = keras.random.normal(keras.ops.shape(inputs), seed=self.seed_generator)
        return inputs + 0.1 * noise


@pytest.mark.parametrize("format", FORMATS[:2])
def test_a_model_that_draws_unasked_is_not_exported(format, tmp_path):
    network = keras.Sequential([AlwaysNoise(), keras.layers.Dense(8)])
    vae = make_vae(encoder=kv.VariationalEncoder(3, network))
    vae.build((None, N_FEATURES))
    with pytest.raises(RuntimeError, match=r"the model itself is called again"):
        vae.export(tmp_path / "model", format=format)
    assert not list(tmp_path.iterdir())


def test_an_exported_function_that_draws_is_found_where_the_model_does_not():
    from keras_vae.export.endpoints import Endpoint

    rng = np.random.default_rng(0)
    endpoint = Endpoint(lambda x: x, {"x": (3,)}, "same")
    assert endpoint.largest_difference(lambda x: [x], (1, 3)) == 0.0
    with pytest.raises(RuntimeError, match=r"same differs .* what was written gives other"):
        endpoint.largest_difference(lambda x: [x + rng.random(x.shape)], (1,))
    again = iter([0.0, 0.1])
    with pytest.raises(RuntimeError, match=r"what was written gives other numbers when called"):
        endpoint.largest_difference(lambda x: [x + next(again)], (1,))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="JAX: test_export_conditions.py")
def test_a_saved_model_draws_by_seed_where_asked(x, tmp_path):
    import tensorflow as tf

    vae = make_vae(likelihood=kv.likelihoods.Gaussian(0.5))
    vae.build((None, N_FEATURES))
    assert set(vae.export(tmp_path / "model", draws=True)) == {
        "reconstruct",
        "encode",
        "decode",
        "score",
    }
    served = tf.saved_model.load(str(tmp_path / "model"))
    rows = np.repeat(x[:1], 4000, axis=0)
    z = served.draw_z(rows, 1).numpy()
    np.testing.assert_array_equal(served.draw_z(rows, 1), z)
    by_name = served.signatures["draw_z"](x=tf.constant(rows), seed=tf.constant(1))
    np.testing.assert_array_equal(by_name["z"], z)
    found = vae.encode_distribution(x[:1])
    assert (np.abs(z.mean(axis=0) - found.z_mean) < 5 * found.z_std / np.sqrt(4000)).all()
    np.testing.assert_allclose(z.std(axis=0)[None], found.z_std, rtol=0.06)
    drawn = served.draw_x(np.repeat(found.z_mean, 4000, axis=0), 1).numpy()
    by_name = served.signatures["draw_x"](z=tf.constant(z), seed=tf.constant(1))
    assert by_name["x"].shape == drawn.shape == (4000, N_FEATURES)
    mean = vae.decode(found.z_mean)
    assert (np.abs(drawn.mean(axis=0) - mean) < 5 * 0.5 / np.sqrt(4000)).all()
    np.testing.assert_allclose(drawn.std(axis=0), 0.5, rtol=0.06)
    # Other seeds, and z and x of one seed, have other noise.
    noise = [z[:, 0], served.draw_z(rows, 2).numpy()[:, 0], drawn[:, 0]]
    assert np.abs(np.corrcoef(noise) - np.eye(3)).max() < 0.1
    vae.export(tmp_path / "model")
    assert not hasattr(tf.saved_model.load(str(tmp_path / "model")), "draw_z")


def own_log_likelihood(target, params):
    return -keras.ops.sum(keras.ops.square(target - params), axis=-1)


def test_draws_that_cannot_be_exported_are_refused_with_the_way_round(tmp_path):
    vae = make_vae(likelihood=own_log_likelihood)
    vae.build((None, N_FEATURES))
    for format in ("onnx", "litert", "torch"):
        with pytest.raises(ValueError, match=r"draws=True goes with .*exp\(z_log_var / 2\)"):
            vae.export(tmp_path / "model", format=format, draws=True)
    with pytest.raises(ValueError, match=r"FromFunction has .* no draws of x"):
        vae.export(tmp_path / "model", draws=True)
    assert not list(tmp_path.iterdir())


@on_one_backend
def test_a_folder_of_other_things_is_left_alone(x, tmp_path):
    vae = make_vae()
    vae.build((None, N_FEATURES))
    (tmp_path / "notes.txt").write_text("kept")
    with pytest.raises(FileExistsError, match=r"holds 'notes.txt', which no export wrote"):
        vae.export(tmp_path, format=FORMATS[0])
    assert (tmp_path / "notes.txt").read_text() == "kept"
    (tmp_path / "notes.txt").unlink()
    for _ in range(2):  # an export takes the place of another
        vae.export(tmp_path, format=FORMATS[0])
