"""Writes files so that a failure leaves the old one as it was."""

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a path beside `path`, for a file or folder; it takes the place of `path` at the end.

    If the block raises, what it wrote is removed and `path` is left alone. What a
    killed process left beside is removed by the next that writes there.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"Cannot write {path}: there is no folder {path.parent}.")
    for left in path.parent.glob(f".saving-*-{glob.escape(path.name)}"):
        if not _is_running(left.name.split("-")[1]):
            _remove(left)
    beside = path.with_name(f".saving-{os.getpid()}-{path.name}")
    try:
        yield beside
        if path.is_dir():  # which a folder cannot replace in one step
            aside = path.with_name(f".saving-{os.getpid()}-old-{path.name}")
            os.replace(path, aside)
            os.replace(beside, path)
            _remove(aside)
        else:
            os.replace(beside, path)
    finally:
        _remove(beside)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_running(process_id):
    if os.name == "nt":  # where signal 0 is Ctrl-C
        return True
    try:
        os.kill(int(process_id), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:  # another user's
        return True
    return True
