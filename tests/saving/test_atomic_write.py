"""Files and folders that are written beside the old ones."""

import os
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers import on_one_backend

from keras_vae.saving import atomic_write as files
from keras_vae.saving.atomic_write import written_beside

pytestmark = on_one_backend


def write_folder(path, content):
    with written_beside(path) as beside:
        beside.mkdir()
        (beside / "content").write_text(content)


def write_file(path, content):
    with written_beside(path) as beside:
        beside.write_text(content)


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def left_for(path, days):
    """Lets time pass for all that lies beside `path`."""
    for left in path.parent.iterdir():
        if left != path:
            before = left.lstat().st_mtime - days * 24 * 3600
            os.utime(left, (before, before), follow_symlinks=False)


# Killed processes


WRITE_AND_DIE = """
import os, signal, sys
from importlib.util import module_from_spec, spec_from_file_location

spec = spec_from_file_location("files", sys.argv[1])  # without Keras, which takes seconds
files = module_from_spec(spec)
spec.loader.exec_module(files)
when, path = sys.argv[2:]
replace, remove = os.replace, files._remove

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def replace_and_die(source, target):
    replace(source, target)
    die()

def remove_nothing_and_die(left):
    if left.exists():
        die()

if when == "old folder aside":
    os.replace = replace_and_die
if when == "new folder in place":
    files._remove = remove_nothing_and_die
with files.written_beside(path) as beside:
    beside.mkdir()
    (beside / "content").write_text("new")
    if when == "while writing":
        die()
"""


def write_and_die(when, path):
    process = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, files.__file__, when, path])
    assert process.returncode == -signal.SIGKILL


def test_a_folder_set_aside_by_a_killed_process_is_put_back(tmp_path):
    path = tmp_path / "served"
    write_folder(path, "old")
    write_and_die("old folder aside", path)
    assert not path.exists()
    with pytest.raises(ZeroDivisionError), written_beside(path):
        raise ZeroDivisionError
    assert (path / "content").read_text() == "old"
    write_folder(path, "newer")
    assert (path / "content").read_text() == "newer"
    left_for(path, days=2)
    write_folder(path, "newest")
    assert names(tmp_path) == ["served"]


@pytest.mark.parametrize(
    ("when", "expected", "n_left"),
    [("while writing", "old", 1), ("new folder in place", "new", 2)],
)
def test_what_a_killed_process_leaves_does_not_get_into_the_next(tmp_path, when, expected, n_left):
    path = tmp_path / "served"
    write_folder(path, "old")
    write_and_die(when, path)
    assert (path / "content").read_text() == expected
    assert len(names(tmp_path)) == 1 + n_left
    with written_beside(path) as beside:
        assert not beside.exists()
        beside.mkdir()
    assert names(path) == []
    left_for(path, days=2)
    write_folder(path, "newer")
    assert names(tmp_path) == ["served"]
    assert names(path) == ["content"]


@pytest.mark.parametrize("kind", ["saving", "replaced"])
@pytest.mark.parametrize("whose", ["of this process", "of another process", "of none"])
def test_leftovers_of_0_1_are_in_nobodys_way_and_go_by_age(tmp_path, kind, whose):
    numbers = {"of this process": os.getpid(), "of another process": os.getppid()}
    path = tmp_path / "served"
    left = tmp_path / f".{kind}-{numbers.get(whose, 999_999_999)}-served"
    write_folder(path, "old")
    left.mkdir()
    (left / "content").write_text("left")
    write_folder(path, "new")
    assert left.exists(), "A process on another machine may be writing it."
    assert (path / "content").read_text() == "new"
    left_for(path, days=2)
    write_folder(path, "newer")
    assert names(tmp_path) == ["served"]


def test_a_folder_that_0_1_set_aside_is_put_back(tmp_path):
    write_folder(tmp_path / ".replaced-123-served", "old")
    with pytest.raises(ZeroDivisionError), written_beside(tmp_path / "served"):
        raise ZeroDivisionError
    assert (tmp_path / "served" / "content").read_text() == "old"


def test_nothing_foreign_is_removed(tmp_path):
    path = tmp_path / "served"
    for name in (
        ".saving-999999999-not-served",
        ".saving-new-served",
        ".saving-served",
        "saving-1-served",
        ".saving-1-served.txt",
        f".saving-{16 * '0'}-{16 * '0'}",
        ".replaced-1-xserved",
    ):
        (tmp_path / name).mkdir()
    before = names(tmp_path)
    left_for(path, days=1000)
    write_folder(path, "new")
    assert names(tmp_path) == sorted([*before, "served"])


# Writers at once


def test_what_others_are_writing_is_left_alone(tmp_path):
    path = tmp_path / "served"
    with written_beside(path) as first, written_beside(path) as second:
        write_file(first, "first")
        write_file(second, "second")
    assert path.read_text() == "first"  # the last to end
    assert names(tmp_path) == ["served"]


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_threads_that_write_to_one_path(tmp_path, write):
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # so that they meet at every place
    path = tmp_path / "served"
    start = threading.Barrier(8)

    def work(i):
        start.wait()
        for j in range(20):
            write(path, f"{i} {j}")

    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
    finally:
        sys.setswitchinterval(interval)
    content = (path if write is write_file else path / "content").read_text()
    assert content.endswith(" 19")
    assert names(tmp_path) == ["served"]


# Names, links and modes


@pytest.mark.parametrize("name", [b"n" * 249, ("ä" * 124).encode(), b"a\nb [*]"], ids=len)
def test_any_name_that_the_file_system_takes(tmp_path, name):
    name = os.fsdecode(name + b".keras")  # whatever the locale
    for write in (write_file, write_file, write_folder, write_folder):
        path = tmp_path / write.__name__ / name
        path.parent.mkdir(exist_ok=True)
        write(path, "new")
        assert names(path.parent) == [name]
    with written_beside(tmp_path / name) as beside:
        assert beside.name == name
        beside.write_text("")


def test_links_are_followed(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "links").mkdir()
    target, link = tmp_path / "models" / "3", tmp_path / "links" / "latest.keras"
    link.symlink_to(Path("..", "models", "3"))
    for content in ("into the dangling link", "into the old file"):
        with written_beside(link) as beside:
            assert beside.suffix == ".keras"
            beside.write_text(content)
        assert link.is_symlink() and not target.is_symlink()
        assert target.read_text() == content
        assert names(tmp_path / "models") == ["3"]
        assert names(tmp_path / "links") == ["latest.keras"]
    folder = tmp_path / "links" / "served"
    folder.symlink_to(tmp_path / "models" / "served")
    for content in ("old", "new"):
        write_folder(folder, content)
        assert folder.is_symlink()
        assert (tmp_path / "models" / "served" / "content").read_text() == content
    assert names(tmp_path / "models") == ["3", "served"]


def test_links_that_lead_nowhere(tmp_path):
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere" / "file")
    with pytest.raises(FileNotFoundError, match=r"through the link .*lost: there is no folder"):
        write_file(tmp_path / "lost", "new")
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="form a circle"):
        write_file(tmp_path / "a", "new")
    assert names(tmp_path) == ["a", "b", "lost"]


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_modes(tmp_path, umask):
    old = os.umask(umask)
    try:
        write_file(tmp_path / "new", "")
        write_folder(tmp_path / "folder", "")
        assert mode(tmp_path / "new") == 0o666 & ~umask
        assert mode(tmp_path / "folder") == 0o777 & ~umask
        for bits in (0o600, 0o644, 0o640, 0o666):
            (tmp_path / "new").chmod(bits)
            write_file(tmp_path / "new", "")
            assert mode(tmp_path / "new") == bits
        for bits in (0o700, 0o2775):
            (tmp_path / "folder").chmod(bits)
            write_folder(tmp_path / "folder", "")
            assert mode(tmp_path / "folder") == bits
    finally:
        os.umask(old)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root may give to others")
def test_what_root_writes_stays_its_owners(tmp_path):
    write_file(tmp_path / "file", "old")
    os.chown(tmp_path / "file", 1234, 2345)
    write_file(tmp_path / "file", "new")
    found = (tmp_path / "file").stat()
    assert (found.st_uid, found.st_gid) == (1234, 2345)


def test_wrong_use(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write_file(tmp_path / "nowhere" / "file", "")
    monkeypatch.chdir(tmp_path)
    for path in (".", "..", "/"):
        with pytest.raises(ValueError, match="the name of a file or folder in it"):
            write_folder(path, "")
    write_file(tmp_path / "file", "old")
    with pytest.raises(NotADirectoryError, match="Cannot write the folder"):
        write_folder(tmp_path / "file", "new")
    write_folder(tmp_path / "folder", "old")
    with pytest.raises(IsADirectoryError, match="Cannot write the file"):
        write_file(tmp_path / "folder", "new")
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "content").read_text() == "old"
    assert names(tmp_path) == ["file", "folder"]


def test_a_folder_that_may_not_be_written_into(tmp_path):
    write_file(tmp_path / "file", "old")
    tmp_path.chmod(0o555)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("root may")
        with pytest.raises(PermissionError, match="nothing may be written into the folder"):
            write_file(tmp_path / "file", "new")
        assert (tmp_path / "file").read_text() == "old"
    finally:
        tmp_path.chmod(0o755)
