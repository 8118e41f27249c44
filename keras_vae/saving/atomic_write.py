"""Writes files so that a failure leaves the old one as it was."""

import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_DAY = 24 * 3600


@contextmanager
def written_beside(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a path of the same name in a new folder beside `path`, for a file or folder.

    At the end it takes the place of `path`; of a symbolic link, the place of what it
    points to. It gets the mode and the owner of what it replaces. If the block raises,
    what it wrote is removed and `path` is left alone. A killed process may leave
    `.saving-*` and `.replaced-*` beside: the next that writes `path` puts a missing
    folder back, and removes what is older than a day.

    Raises:
        ValueError: if `path` names no file or folder, such as `.`.
        OSError: if `path` cannot be written, such as FileNotFoundError without its
            folder, and PermissionError where nothing may be written into that.
    """
    given, path = Path(path), Path(os.path.realpath(path))
    _check(given, path)
    mark = f"{secrets.token_hex(8)}-{_hash(path)}"
    folder = path.with_name(f".saving-{mark}")
    try:
        folder.mkdir(0o700)
    except PermissionError as error:
        raise PermissionError(
            f"Cannot write {path}: nothing may be written into the folder {path.parent}."
        ) from error
    try:
        _put_in_order(path, folder)
        beside = folder / given.name
        yield beside
        _write_to_disk(beside)
        _replace(path, beside, path.with_name(f".replaced-{mark}"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check(given, path):
    if given.name in ("", ".."):
        raise ValueError(f"Cannot write {given}: give the name of a file or folder in it.")
    if path.is_symlink():  # still, where all links have been followed
        raise OSError(f"Cannot write {given}: its symbolic links form a circle.")
    if not path.parent.is_dir():
        link = f" through the link {given}" if given.is_symlink() else ""
        raise FileNotFoundError(f"Cannot write {path}{link}: there is no folder {path.parent}.")


def _hash(path):
    """Stands for the name, which with more before it may be too long for the file system."""
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]


def _put_in_order(path, own):
    """Puts `path` back if it is missing, and removes what others left a day before `own`."""
    # 0.1 wrote the number of its process and the name.
    pattern = rf"\.(saving|replaced)-(\d+-{re.escape(path.name)}|[0-9a-f]{{16}}-{_hash(path)})"
    now = own.stat().st_mtime  # by the clock of the disk, which other machines may share
    for left in list(path.parent.iterdir()):
        match = re.fullmatch(pattern, left.name)
        if not match or left == own:
            continue
        with suppress(OSError):  # another process may be doing the same
            if match[1] == "replaced" and not os.path.lexists(path):
                os.rename(left, path)
            elif now - left.lstat().st_mtime > _DAY:
                _remove(left)


def _write_to_disk(beside):
    """Lets a crash of the machine after the replacement find the content on the disk."""
    for file in [beside] if beside.is_file() else beside.rglob("*"):
        if file.is_file():
            with open(file, "r+b") as opened:
                os.fsync(opened.fileno())


def _replace(path, beside, aside):
    """Puts `beside` in the place of `path`; a folder there is moved aside first."""
    if beside.is_dir() and path.is_file():
        raise NotADirectoryError(f"Cannot write the folder {path}: it is a file.")
    if beside.is_file() and path.is_dir():
        raise IsADirectoryError(f"Cannot write the file {path}: it is a folder.")
    with suppress(FileNotFoundError):
        _take_mode(beside, path.stat())
    while True:
        if path.is_dir():  # which a folder cannot replace in one step
            _remove(aside)  # of the round before, in which another writer was faster
            with suppress(FileNotFoundError):
                os.replace(path, aside)
        try:
            os.replace(beside, path)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                with suppress(OSError):
                    os.replace(aside, path)
                raise
    _remove(aside)


def _take_mode(beside, old):
    new = beside.stat()
    for user, group in ((-1, old.st_gid), (old.st_uid, -1)):
        if user not in (-1, new.st_uid) or group not in (-1, new.st_gid):
            with suppress(PermissionError):  # only root may give to others
                os.chown(beside, user, group)
    if new.st_mode != old.st_mode:
        os.chmod(beside, stat.S_IMODE(old.st_mode))


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
