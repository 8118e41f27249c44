import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from helpers import assert_close, assert_same_logs, make_vae, to_numpy
from keras.optimizers import schedules

import keras_vae as kv

BACKEND = keras.backend.backend()


def run(code, backend=BACKEND, **files):
    """Runs `code` in a fresh process, the paths of `files` being its variables."""
    head = "".join(f"{name} = {str(path)!r}\n" for name, path in files.items())
    environment = {**os.environ, "KERAS_BACKEND": backend}
    subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(code)], env=environment, check=True
    )


def train(x):
    keras.utils.set_random_seed(0)
    vae = make_vae(
        beta=schedules.PolynomialDecay(0.0, 20, 4.0),
        compile_kwargs={"metrics": ["mse"]},
    )
    vae.fit(x, batch_size=32, epochs=1, shuffle=False, verbose=0)
    return vae


@pytest.fixture(scope="module")
def trained(x):
    """A model that no test changes."""
    return train(x)


def test_a_file_loads_in_a_fresh_process_on_another_backend(x, trained, tmp_path):
    trained.save(tmp_path / "vae.keras")
    np.savez(tmp_path / "expected.npz", x=x, z=trained.encode(x))
    run(
        """
        import keras, keras_vae, numpy as np

        vae = keras.saving.load_model(file)
        expected = np.load(arrays)
        np.testing.assert_allclose(vae.encode(expected["x"]), expected["z"], rtol=1e-4, atol=1e-5)
        assert int(vae.optimizer.iterations) == int(vae.training_step) == 8
        assert vae.get_compile_config()["jit_compile"] == "auto"
        history = vae.fit(expected["x"], batch_size=32, verbose=0).history
        assert history["beta"][0] > 1.5 and history["mse"][0] < 1
        """,
        {"tensorflow": "jax", "jax": "torch", "torch": "tensorflow"}[BACKEND],
        file=tmp_path / "vae.keras",
        arrays=tmp_path / "expected.npz",
    )


def test_a_resumed_run_equals_an_uninterrupted_one(x, tmp_path):
    trained = train(x)
    trained.save(tmp_path / "vae.keras")
    resumed = keras.saving.load_model(tmp_path / "vae.keras")
    histories = [
        vae.fit(x, batch_size=32, epochs=2, shuffle=False, verbose=0).history
        for vae in (trained, resumed)
    ]
    assert_same_logs(histories[1], histories[0], rtol=1e-5)
    np.testing.assert_array_equal(trained.sample(4), resumed.sample(4))


def test_backup_and_restore_needs_no_build(x, tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    make_vae().fit(x, epochs=2, callbacks=[backup], verbose=0)


def test_weights_only(x, trained, tmp_path):
    trained.save_weights(tmp_path / "vae.weights.h5")
    other = make_vae(beta=schedules.PolynomialDecay(0.0, 20, 4.0))
    other.build((None, 12))
    other.load_weights(tmp_path / "vae.weights.h5")
    assert_close(other.encode(x), trained.encode(x), rtol=1e-5)


@keras.saving.register_keras_serializable(package="tests")
def own_log_likelihood(target, params):
    return -keras.ops.sum(keras.ops.square(target - params), axis=-1)


@keras.saving.register_keras_serializable(package="tests")
def own_kl(posterior, prior, z):
    return keras.ops.sum(keras.ops.square(posterior.z_mean), axis=-1)


@keras.saving.register_keras_serializable(package="tests")
def own_regularizer(outputs):
    return keras.ops.mean(keras.ops.abs(outputs["z"]))


def test_user_made_parts_survive_a_round_trip(x, tmp_path):
    decoder = keras.Sequential([keras.layers.Dense(5, "relu"), keras.layers.Dense(12)])
    vae = make_vae(
        likelihood=own_log_likelihood,
        kl_divergence=own_kl,
        regularizer=own_regularizer,
        regularization_strength=0.5,
        beta=2.0,
        decoder=decoder,
    )
    vae.fit(x, verbose=0)
    vae.save(tmp_path / "vae.keras")
    copy = keras.saving.load_model(tmp_path / "vae.keras")
    for name in ("beta", "regularizer", "regularization_strength"):
        assert getattr(copy, name) == getattr(vae, name)
    assert copy.objective.kl_divergence is own_kl
    assert copy.likelihood.log_likelihood is own_log_likelihood
    assert_close(copy.reconstruct(x), vae.reconstruct(x), rtol=1e-5)


def test_parts_are_saved_on_their_own(x, trained, tmp_path):
    inputs = keras.Input((12,))
    keras.Model(inputs, trained.encoder(inputs)).save(tmp_path / "encoder.keras")
    encoder = keras.saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_allclose(to_numpy(encoder(x)[0]), trained.encode(x), rtol=1e-4, atol=1e-5)


def test_a_failed_save_leaves_the_old_file(x, trained, tmp_path, monkeypatch):
    path = tmp_path / "vae.keras"
    trained.save(path)
    old = path.read_bytes()
    monkeypatch.setattr(kv.likelihoods.Bernoulli, "get_config", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trained.save(path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(BACKEND != "tensorflow", reason="does not depend on the backend")
def test_import_does_not_load_tensorflow_probability():
    run("import sys, keras_vae; assert 'tensorflow_probability' not in sys.modules")


def test_a_compiled_model_that_was_never_fitted_loads_without_a_warning(x, tmp_path, recwarn):
    vae = make_vae()
    vae.build((None, 12))
    vae.save(tmp_path / "vae.keras")
    loaded = kv.load_model(tmp_path / "vae.keras")
    assert not [w for w in recwarn if "optimizer" in str(w.message)]
    histories = [model.fit(x, shuffle=False, verbose=0).history["loss"] for model in (vae, loaded)]
    np.testing.assert_allclose(*histories, rtol=1e-5)


@pytest.mark.parametrize(
    "name", ["m.h5", "m.HDF5", "m.weights.h5", "m", "m.KERAS", "m.keras.zip", "m.tf"]
)
def test_only_names_that_can_be_loaded_again_are_saved_to(trained, tmp_path, name):
    with pytest.raises(ValueError, match=r"ends in \.keras.*save_weights.*export"):
        trained.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["w.h5", "w.keras", "weights"])
def test_only_names_that_weights_can_be_loaded_from_are_saved_to(trained, tmp_path, name):
    with pytest.raises(ValueError, match=r"ends in \.weights\.h5.*save\("):
        trained.save_weights(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_refused_name_harms_no_later_save(x, trained, tmp_path):
    for save in (type(trained).save, keras.saving.save_model, keras.models.save_model):
        with pytest.raises(ValueError, match=r"ends in \.keras"):
            save(trained, tmp_path / "m.h5")
    trained.save(tmp_path / "n.keras")
    loaded = kv.load_model(tmp_path / "n.keras")
    assert int(loaded.optimizer.iterations) == int(trained.optimizer.iterations) == 8
    np.testing.assert_array_equal(loaded.encode(x), trained.encode(x))


def test_an_unzipped_model_is_a_folder(x, trained, tmp_path):
    trained.save(tmp_path / "folder", zipped=False)
    loaded = keras.saving.load_model(tmp_path / "folder")
    np.testing.assert_array_equal(loaded.encode(x), trained.encode(x))


@pytest.mark.skipif(BACKEND != "torch", reason="does not depend on the backend")
def test_threads_that_save_to_one_path(x, tmp_path):
    vaes = [make_vae() for _ in range(4)]
    for vae in vaes:
        vae.build((None, 12))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda vae: [vae.save(tmp_path / "vae.keras") for _ in range(3)], vaes))
    z = kv.load_model(tmp_path / "vae.keras").encode(x)
    assert sum(np.array_equal(z, vae.encode(x)) for vae in vaes) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["vae.keras"]


def test_save_through_a_link_with_the_mode_of_the_old_file(x, tmp_path):
    trained = train(x)
    link, target = tmp_path / "latest.keras", tmp_path / "target"
    trained.save(tmp_path / "vae.keras")
    (tmp_path / "vae.keras").rename(target)
    target.chmod(0o600)
    link.symlink_to(target)
    trained.fit(x, verbose=0)
    trained.save(link)
    assert link.is_symlink() and target.stat().st_mode & 0o777 == 0o600
    np.testing.assert_array_equal(kv.load_model(link).encode(x), trained.encode(x))
