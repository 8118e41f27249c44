"""load_model: what a file may ask for, and files of other kinds."""

import re
import shutil
import tracemalloc
import warnings
import zipfile

import pytest
from helpers import make_vae, on_one_backend

import keras_vae as kv

pytestmark = on_one_backend
MB = 2**20


@pytest.fixture
def path(tmp_path):
    vae = make_vae()
    vae.build((None, 12))
    vae.save(tmp_path / "vae.keras")
    return tmp_path / "vae.keras"


def rewrite(path, changes=(), more=(), compression=zipfile.ZIP_DEFLATED):
    """Changes members of a file, and adds others."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
        warnings.simplefilter("ignore", UserWarning)  # of names that are there twice
        for name, content in [*(contents | dict(changes)).items(), *more]:
            archive.writestr(name, content)


def assert_refused(path, reason):
    """And without much memory."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=re.escape(f"Cannot load {path}: ") + ".*" + reason):
            kv.load_model(path)
        assert tracemalloc.get_traced_memory()[1] < 8 * MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_json_larger_than_that_of_a_model(path, name, compression):
    rewrite(path, {name: b" " * (17 * MB)}, compression=compression)
    assert_refused(path, rf"{name} in it takes 17,825,792 bytes; .* at most 16,777,216")


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_weights_that_unpack_to_many_times_the_file(path, compression):
    rewrite(path, {"model.weights.h5": bytes(200 * MB)}, compression=compression)
    assert path.stat().st_size < MB
    assert_refused(path, r"model\.weights\.h5 in it would take 209,715,200 bytes")


def test_many_members_that_unpack_to_many_times_the_file_together(path):
    rewrite(path, more=[(f"assets/{i}", bytes(4 * MB)) for i in range(30)])
    assert_refused(path, r"more than 100 times as much")


def test_more_members_than_a_model_has(path):
    rewrite(path, more=[(f"assets/{i}", b"") for i in range(10_001)])
    assert_refused(path, r"it has 10,004 members")


@pytest.mark.parametrize(
    "name", ["/etc/evil", "assets/../../evil", "..", "..\\evil", "\\evil", "C:\\evil", "c:evil"]
)
def test_members_outside_of_the_archive(path, name):
    rewrite(path, more=[(name, b"")])
    assert_refused(path, r"which lies outside")


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "assets/a"])
def test_members_that_are_there_twice(path, name):
    rewrite(path, more=[(name, b"{}"), (name, b"{}")])
    assert_refused(path, rf"it holds {name} twice")


def test_a_file_that_was_packed_anew_loads(path, x):
    z = kv.load_model(path).encode(x)
    rewrite(path, more=[("assets/a..b/c", b"kept by a layer")])
    assert (kv.load_model(path).encode(x) == z).all()


def test_files_of_other_kinds(path, tmp_path):
    vae = kv.load_model(path)
    vae.save_weights(tmp_path / "vae.weights.h5")
    shutil.copy(tmp_path / "vae.weights.h5", tmp_path / "renamed.keras")
    (tmp_path / "empty.HDF5").write_bytes(b"")
    for name in ("vae.weights.h5", "renamed.keras", "empty.HDF5"):
        assert_refused(tmp_path / name, r"HDF5 file.*vae\.save.*vae\.load_weights")
    shutil.copy(path, tmp_path / "vae.zip")
    assert_refused(tmp_path / "vae.zip", r"does not end in \.keras")
