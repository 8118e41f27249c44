"""Files and folders that are written beside the old ones."""

import multiprocessing
import os
import signal

import keras
import pytest

from keras_vae.files import written_beside

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="does not depend on the backend"
)


def write_folder(path, content):
    with written_beside(path) as beside:
        beside.mkdir()
        (beside / "content").write_text(content)


def die_with_the_old_folder_aside(path):
    rename = os.replace

    def rename_and_die(source, target):
        rename(source, target)
        os.kill(os.getpid(), signal.SIGKILL)

    os.replace = rename_and_die
    write_folder(path, "new")


def test_a_folder_set_aside_by_a_killed_process_is_put_back(tmp_path):
    path = tmp_path / "served"
    write_folder(path, "old")
    process = multiprocessing.get_context("spawn").Process(
        target=die_with_the_old_folder_aside, args=(path,)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not path.exists()
    with pytest.raises(ZeroDivisionError), written_beside(path):
        raise ZeroDivisionError
    assert (path / "content").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["served"]
    write_folder(path, "newer")
    assert (path / "content").read_text() == "newer"


def test_what_others_are_writing_is_left_alone(tmp_path):
    others = tmp_path / f".saving-{os.getppid()}-served"
    another = tmp_path / ".saving-999999999-not-served"
    dead = tmp_path / ".saving-999999999-served"
    for left in (others, another, dead):
        left.mkdir()
    write_folder(tmp_path / "served", "new")
    assert others.exists() and another.exists() and not dead.exists()
