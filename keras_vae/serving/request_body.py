"""What a request holds: read within bounds, checked, and given as arrays."""

import io
import json
import math
import zipfile

import numpy as np
from media_types import JSON, NPY, NPZ
from served_model import Model
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request


async def read_body(request: Request, max_bytes: int) -> bytearray:
    """Gives the body; its announced length is believed only where that is over the limit."""
    body = bytearray()
    limit("The body", int(request.headers.get("content-length", 0)), max_bytes)
    try:
        async for part in request.stream():
            body += part
            limit("The body", len(body), max_bytes)
    except ClientDisconnect:
        raise HTTPException(400, "The body ended early.") from None
    return body


def limit(what: str, size: int, max_bytes: int) -> None:
    """Refuses what is larger than `max_bytes`."""
    if size > max_bytes:
        reason = f"{what} is over the limit of {max_bytes / 2**20:g} MiB."
        raise HTTPException(413, f"{reason} Send fewer samples, or serve with a larger --max-mib.")


def read_json(body: bytearray, names: list[str], model: Model, _) -> dict[str, np.ndarray]:
    """Gives the named arrays of a JSON body, of any dtype."""
    example = "{" + ", ".join(f'"{name}": [...]' for name in names) + "}"
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"The body is not JSON: {error}. Send {example}.") from None
    found = {}
    for name in names:
        if not isinstance(document, dict) or name not in document:
            raise HTTPException(422, f'Send a JSON object with the key "{name}": {example}.')
        try:
            found[name] = np.asarray(document[name])
        except ValueError:
            raise HTTPException(
                422, f"{name} is ragged: lists differ in length or depth."
            ) from None
        model.check(name, found[name].dtype, found[name].shape)
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
    file, form = io.BytesIO(memoryview(body)[: 2**17]), np.lib.format
    headers = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}
    try:
        shape, fortran_order, dtype = headers[form.read_magic(file)](file)
    except Exception:  # NumPy's parser lets errors of many kinds through
        raise HTTPException(400, "The body is not a .npy file. Write it by numpy.save.") from None
    if dtype.hasobject:
        raise HTTPException(400, "The .npy file holds pickled Python objects. Send numbers.")
    model.check(name, dtype, shape)
    if math.prod(shape) * dtype.itemsize != len(body) - file.tell():
        raise HTTPException(400, "The .npy file is cut short, or its header is wrong.")
    array = np.frombuffer(body, dtype, offset=file.tell())
    return array.reshape(shape, order="F" if fortran_order else "C")


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
    elif not (np.isfinite(found) | (np.isnan(found) & may_be_unknown)).all():
        raise HTTPException(422, f"{name} has NaN or infinite values, as float32. Send finite.")
    return found
