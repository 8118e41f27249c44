"""Writes files so that a failure leaves the old one as it was."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a path beside `path`, for a file or folder; it takes the place of `path` at the end.

    If the block raises, what it wrote is removed and `path` is left alone. What a
    killed process left beside is put in order by the next that writes there.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"Cannot write {path}: there is no folder {path.parent}.")
    _put_in_order(path)
    beside = path.with_name(f".saving-{os.getpid()}-{path.name}")
    try:
        yield beside
        if path.is_dir():  # which a folder cannot replace in one step
            replaced = path.with_name(f".replaced-{os.getpid()}-{path.name}")
            os.replace(path, replaced)
            os.replace(beside, path)
            _remove(replaced)
        else:
            os.replace(beside, path)
    finally:
        _remove(beside)


def _put_in_order(path):
    """Removes what dead processes left beside `path`, and puts back a folder that is missing."""
    pattern = re.compile(rf"\.(saving|replaced)-(\d+)-{re.escape(path.name)}")
    for left in list(path.parent.iterdir()):
        match = pattern.fullmatch(left.name)
        if not match or _is_running(match[2]):
            continue
        if match[1] == "replaced" and not path.exists():
            os.replace(left, path)
        else:
            _remove(left)


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
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
