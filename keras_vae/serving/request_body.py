"""What a request holds: read within bounds, checked, and given as arrays."""

import asyncio
import contextlib
import functools
import io
import math
import zipfile
from collections.abc import AsyncIterator

import numpy as np
from json_arrays import JSONError, weight
from json_arrays import read as json_arrays
from limits import UNREAD, Limits, Room, limit
from media_types import JSON, NPY, NPZ
from served_model import Model
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request


@contextlib.asynccontextmanager
async def body_of(request: Request, limits: Limits, room: Room) -> AsyncIterator[bytearray]:
    """Gives the body; the request takes room until the context is left.

    The announced length is believed only where it is over the limit.
    """
    room.check()
    refuse_encoding(request.headers)
    limit("The body", int(request.headers.get("content-length", 0)), limits.max_bytes, UNREAD)
    body = bytearray()
    try:
        await read_in_time(request, body, limits, room)
        with room.request():
            yield body
    finally:
        room.take(-len(body))


async def read_in_time(request: Request, body: bytearray, limits: Limits, room: Room) -> None:
    """Reads the body, or says that it did not come."""
    try:
        async with asyncio.timeout(limits.body_seconds):
            await read_stream(request, body, limits, room)
    except TimeoutError:
        late = f"The body has not come in {limits.body_seconds:g} seconds."
        raise HTTPException(408, f"{late} Send it faster, or less.", UNREAD) from None
    except ClientDisconnect:
        raise HTTPException(400, "The body ended early.", UNREAD) from None


async def read_stream(request: Request, body: bytearray, limits: Limits, room: Room) -> None:
    """Appends to the body what comes, and counts what JSON becomes before anything is parsed."""
    most = limits.max_bytes // 2  # float32 has 4 bytes a number, JSON its comma and at most a list
    values, is_json = 0, media_type(request.headers) == JSON
    async for part in request.stream():
        room.take(len(part))
        body += part
        limit("The body", len(body), limits.max_bytes, UNREAD)
        values += weight(part) if is_json else 0
        if values > most:
            what = f"The JSON has more than {most} commas and lists"
            raise HTTPException(413, f"{what}. Send fewer samples, or a .npy file.", UNREAD)


def media_type(headers: Headers) -> str:
    """Gives the type that a body is said to have."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def refuse_encoding(headers: Headers) -> None:
    """Refuses a body that is compressed as a whole; .npz is compressed within limits."""
    if (encoding := headers.get("content-encoding", "identity").strip().lower()) != "identity":
        reason = f"The Content-Encoding is {encoding!r}. Send the body as it is"
        raise HTTPException(415, f"{reason}, or a compressed .npz file.", UNREAD)


def read_json(body: bytearray, names: list[str], model: Model, max_bytes: int) -> dict:
    """Gives the named arrays of a JSON body, of any dtype."""
    try:
        found = json_arrays(body, names, max_bytes)
    except JSONError as error:
        raise HTTPException(error.status, error.message) from None
    for name, array in found.items():
        model.check(name, array.dtype, array.shape)
    return found


def read_npy(body: bytearray, names: list[str], model: Model, _) -> dict[str, np.ndarray]:
    """Gives the array of a .npy body, of any dtype; who takes more is not served by one."""
    if len(names) > 1:
        raise HTTPException(415, f"The model takes {' and '.join(names)}. Send {NPZ} or {JSON}.")
    return {names[0]: parse_npy(names[0], body, model)}


def read_npz(body: bytearray, names: list[str], model: Model, max_bytes: int) -> dict:
    """Gives the named arrays of a .npz body, of no more bytes than the body may have."""
    given = ", ".join(f"{name}={name}" for name in names)
    fix = f"Write it by numpy.savez(file, {given})."
    if body.count(b"PK\1\2") > ZIP_FILES:
        raise HTTPException(413, f"The .npz file holds too many files. {fix}")
    try:
        archive = zipfile.ZipFile(io.BytesIO(body))
        if missing := [name for name in names if f"{name}.npy" not in archive.namelist()]:
            raise HTTPException(400, f"The .npz file lacks {' and '.join(missing)}. {fix}")
        sizes = [archive.getinfo(f"{name}.npy").file_size for name in names]
        limit("What the .npz file holds", sum(sizes), max_bytes)
        files = {name: bytearray(archive.read(f"{name}.npy")) for name in names}
    except HTTPException:
        raise
    except Exception:  # zipfile and its decompressors raise errors of many kinds
        raise HTTPException(400, f"The body is not such a .npz file. {fix}") from None
    return {name: parse_npy(name, file, model) for name, file in files.items()}


def parse_npy(name: str, body: bytearray, model: Model) -> np.ndarray:
    """Gives the array of a .npy file, of any dtype. Nothing is allocated on its header's word."""
    # Its version is the seventh byte; then comes how long the header is, in two bytes or four.
    fixed = 10 if body[6:7] == b"\1" else 12
    end = fixed + int.from_bytes(body[8:fixed], "little")
    try:
        shape, fortran_order, dtype = npy_header(bytes(body[: min(end, 2**17)]))
    except Exception:  # NumPy's parser lets errors of many kinds through
        raise HTTPException(400, "The body is not a .npy file. Write it by numpy.save.") from None
    if dtype.hasobject:
        raise HTTPException(400, "The .npy file holds pickled Python objects. Send numbers.")
    model.check(name, dtype, shape)
    if math.prod(shape) * dtype.itemsize != len(body) - end:
        raise HTTPException(400, "The .npy file is cut short, or its header is wrong.")
    array = np.frombuffer(body, dtype, offset=end)
    return array.reshape(shape, order="F" if fortran_order else "C")


@functools.lru_cache(maxsize=16)  # most clients send one shape, and NumPy parses it as Python
def npy_header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Gives the shape, whether the order is Fortran's, and the dtype of a .npy file."""
    file, form = io.BytesIO(head), np.lib.format
    headers = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}
    return headers[form.read_magic(file)](file)


ZIP_FILES = 1000  # a file of the list of a zip takes kilobytes, and an array may look like one
READERS = {JSON: read_json, NPY: read_npy, NPZ: read_npz}


def read_inputs(content_type: str, body: bytearray, names, model: Model, max_bytes: int) -> dict:
    """Gives the named arrays in the dtypes of the model, or says what is wrong."""
    if content_type not in READERS:
        *others, last = READERS
        known = f"{', '.join(others)} or {last}"
        raise HTTPException(415, f"The Content-Type is {content_type!r}. Send {known}.")
    found = READERS[content_type](body, names, model, max_bytes)
    for name, array in found.items():
        dtype = model.takes[name].dtype
        limit(f"{name} as {dtype}", 4 * array.size, max_bytes)  # small dtypes grow
        found[name] = as_dtype(name, array, dtype, name in model.conditions())
        if array.ndim and len(array) != len(found[names[0]]):
            both = f"{names[0]} has {len(found[names[0]])} samples, but {name} {len(array)}"
            what = "target" if name == "y" else "condition"
            raise HTTPException(422, f"{both}. Send a {what} for each.")
    if "n" in found and found["n"] < 1:
        raise HTTPException(422, "n must be at least 1: it is how many are drawn.")
    return found


def as_dtype(name: str, array: np.ndarray, dtype: str, may_be_unknown: bool) -> np.ndarray:
    """Gives an array in the dtype of the model; NaN only where it says that a row is unknown."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
        found = array.astype(dtype, order="C")
    if dtype == "int32":
        if not (found == array).all():
            raise HTTPException(422, f"{name} must hold whole numbers, as int32.")
    elif not (np.isfinite(found).all() or (may_be_unknown and not np.isinf(found).any())):
        raise HTTPException(422, f"{name} has NaN or infinite values, as float32. Send finite.")
    return found
