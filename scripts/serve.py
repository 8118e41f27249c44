"""Serves an exported VAE over HTTP, where there is no keras_vae.

MODEL is a folder with saved_model.pb, which takes TensorFlow, or with
reconstruct.onnx, encode.onnx and score.onnx, which takes onnxruntime.
docs/serving.md says what to send and what comes back.
"""

import argparse
import asyncio
import contextlib
import io
import json
import math
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

# A model's endpoints, each with the array that a .npy answer holds.
ENDPOINTS = {"reconstruct": "reconstruction", "encode": None, "score": "score"}
JSON, NPY, NPZ = "application/json", "application/x-npy", "application/x-npz"
CHUNK = 256  # rows of one call of the model
LINGER = 2.0  # seconds in which the rest of a refused body is read and dropped


class Endpoint(NamedTuple):
    """A function from arrays, one for each of its inputs, to a dict of arrays."""

    inputs: tuple[str, ...]
    call: Callable


@dataclass(frozen=True)
class Model:
    """An exported VAE.

    features: by input, the shape of a sample; None where any size goes.
    endpoints: by name.
    """

    features: dict[str, tuple[int | None, ...]]
    endpoints: dict[str, Endpoint]

    def inputs(self, names) -> list[str]:
        """Gives what the named endpoints take together: x, and y where one takes a target."""
        return sorted({given for name in names for given in self.endpoints[name].inputs})

    def run(self, names, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Gives the outputs of the named endpoints, and `anomaly_score` = -`score`."""
        parts = []
        for start in range(0, len(inputs["x"]), CHUNK):
            rows, part = {k: v[start : start + CHUNK] for k, v in inputs.items()}, {}
            for name in names:
                given, call = self.endpoints[name]
                part |= call(*(rows[k] for k in given))
            parts.append(part)
        outputs = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        if "score" in outputs:
            outputs["anomaly_score"] = -outputs["score"]
        return outputs

    def check(self, name: str, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        """Refuses an x, or a y, that the model does not take."""
        features = self.features[name]
        takes = f"({', '.join(str(size) for size in ('batch', *features))})"
        if dtype.kind not in "biuf":
            raise HTTPException(422, f"{name} must hold numbers and nothing else, as {takes}.")
        if shape[:1] == (0,):
            raise HTTPException(422, f"{name} is empty. Send at least one sample, as {takes}.")
        pairs = zip((None, *features), shape, strict=False)
        fits = all(found > 0 and size in (None, found) for size, found in pairs)
        if not fits or len(shape) != len(features) + 1:
            fix = f"The model takes {takes}; a single sample is a batch of one."
            raise HTTPException(422, f"{name} has the shape {shape}. {fix}")


def load_model(path: Path) -> Model:
    if (path / "saved_model.pb").is_file():
        return load_saved_model(path)
    if files := {name: f for name in ENDPOINTS if (f := path / f"{name}.onnx").is_file()}:
        return load_onnx(files)
    expected = ".onnx, ".join(ENDPOINTS)
    raise ValueError(f"expected a folder with saved_model.pb, or with {expected}.onnx")


def load_saved_model(path: Path) -> Model:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    model = tf.saved_model.load(path)

    def endpoint(name, inputs):
        def call(*arrays):
            outputs = getattr(model, name)(*map(tf.constant, arrays))
            outputs = outputs if isinstance(outputs, dict) else {ENDPOINTS[name]: outputs}
            return {key: value.numpy() for key, value in outputs.items()}

        return Endpoint(inputs, call)

    given = {
        name: model.signatures[name].structured_input_signature[1]
        for name in ENDPOINTS
        if name in model.signatures
    }
    if not given:
        raise ValueError(f"it has none of the endpoints {', '.join(ENDPOINTS)}")
    specs = {key: spec for inputs in given.values() for key, spec in inputs.items()}
    features = {key: tuple(spec.shape.as_list()[1:]) for key, spec in specs.items()}
    return Model(features, {k: endpoint(k, tuple(sorted(inputs))) for k, inputs in given.items()})


def load_onnx(files: dict[str, Path]) -> Model:
    import onnxruntime

    def endpoint(session):
        given = tuple(tensor.name for tensor in session.get_inputs())
        names = [tensor.name for tensor in session.get_outputs()]

        def call(*arrays):
            outputs = session.run(None, dict(zip(given, arrays, strict=True)))
            return dict(zip(names, outputs, strict=True))

        return Endpoint(given, call)

    cpu = ["CPUExecutionProvider"]
    sessions = {k: onnxruntime.InferenceSession(f, providers=cpu) for k, f in files.items()}
    features = {
        tensor.name: tuple(size if isinstance(size, int) else None for size in tensor.shape[1:])
        for session in sessions.values()
        for tensor in session.get_inputs()
    }
    return Model(features, {name: endpoint(session) for name, session in sessions.items()})


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
    if len(names) > 1:
        raise HTTPException(415, f"The model takes {' and '.join(names)}. Send {NPZ} or {JSON}.")
    return {"x": parse_npy("x", body, model)}


def read_npz(body: bytearray, names: list[str], model: Model, max_bytes: int) -> dict:
    """Gives the named arrays of a .npz body, of no more bytes than the body may have."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(body))
        sizes = [archive.getinfo(f"{name}.npy").file_size for name in names]
        limit("What the .npz file holds", sum(sizes), max_bytes)
        files = {name: bytearray(archive.read(f"{name}.npy")) for name in names}
    except HTTPException:
        raise
    except Exception:  # zipfile and its decompressors raise errors of many kinds
        given = ", ".join(f"{name}={name}" for name in names)
        fix = f"Write it by numpy.savez(file, {given})."
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
    """Gives the named arrays, `(batch, *features)`, float32 and finite, or says what is wrong."""
    if content_type not in READERS:
        *others, last = READERS
        known = f"{', '.join(others)} or {last}"
        raise HTTPException(415, f"The Content-Type is {content_type!r}. Send {known}.")
    found = READERS[content_type](body, names, model, max_bytes)
    for name, array in found.items():
        limit(f"{name} as float32", 4 * array.size, max_bytes)  # small dtypes grow
        with np.errstate(over="ignore"):  # what overflows is refused below
            found[name] = array.astype(np.float32, order="C")
        if not np.isfinite(found[name]).all():
            raise HTTPException(422, f"{name} has NaN or infinite values, as float32. Send finite.")
        if len(array) != len(found["x"]):
            both = f"x has {len(found['x'])} samples, but {name} {len(array)}"
            raise HTTPException(422, f"{both}. Send a target for each.")
    return found


def answer_type(route: str, accept: str) -> str:
    if NPY in accept and ENDPOINTS.get(route):
        return NPY
    if NPY in accept and NPZ not in accept:
        raise HTTPException(406, f"/{route} gives several arrays: Accept {NPZ} or {JSON}.")
    return NPZ if NPZ in accept else JSON


def pack(route: str, outputs: dict[str, np.ndarray], media_type: str) -> Response:
    if not all(np.isfinite(value).all() for value in outputs.values()):
        raise HTTPException(422, "The model's answer is not finite. Scale x as in training.")
    if media_type == JSON:
        return StreamingResponse(as_json(outputs), media_type=JSON)
    file = io.BytesIO()
    if media_type == NPY:
        np.save(file, outputs[ENDPOINTS[route]])
    else:
        np.savez(file, **outputs)
    return Response(file.getvalue(), media_type=media_type)


def as_json(outputs: dict[str, np.ndarray]):
    """Yields a JSON object in parts: as a whole it would take much memory, and hold up others."""
    before = "{"
    for key, value in outputs.items():
        before += f'"{key}":['
        rows = max(1, 2**16 // value[0].size)
        for start in range(0, len(value), rows):
            yield before + json.dumps(value[start : start + rows].tolist())[1:-1]
            before = ","
        before = "],"
    yield "]}"


class LastResponse(JSONResponse):
    """Answers while the body still comes, and closes the connection a moment later.

    At once, with data unread, would reset it before the client sees the answer.
    """

    async def __call__(self, scope, receive, send):
        headers = [*self.raw_headers, (b"connection", b"close")]
        start = {"type": "http.response.start", "status": self.status_code, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while (await receive()).get("more_body"):
                    pass
        await send({"type": "http.response.body"})


def create_app(model_path: str | os.PathLike, max_bytes: int = 64 * 2**20) -> Starlette:
    """Makes the ASGI app that serves the model in the folder `model_path`."""
    model = load_model(Path(model_path))
    routes = {name: (name,) for name in model.endpoints} | {"predict": tuple(model.endpoints)}
    # A first call, which is slow, also tells what there is to get.
    zeros = {
        name: np.zeros((1, *(size or 1 for size in features)), np.float32)
        for name, features in model.features.items()
    }
    gives = {
        f"/{route}": {k: [None, *v.shape[1:]] for k, v in model.run(names, zeros).items()}
        for route, names in routes.items()
    }
    takes = {
        role: {"shape": [None, *model.features[name]], "dtype": "float32"}
        for role, name in (("input", "x"), ("target", "y"))
        if name in model.features
    }
    about = {**takes, "endpoints": gives, "max_bytes": max_bytes}
    pages = {"/": JSONResponse(about), "/health": JSONResponse({"status": "ok"})}

    def endpoint(route):
        names = model.inputs(routes[route])

        def answer(headers, body):
            media_type = answer_type(route, headers.get("accept", ""))
            content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
            inputs = read_inputs(content_type, body, names, model, max_bytes)
            return pack(route, model.run(routes[route], inputs), media_type)

        async def post(request):
            body = await read_body(request, max_bytes)
            return await run_in_threadpool(answer, request.headers, body)

        return Route(f"/{route}", post, methods=["POST"])

    async def refused(request, error):
        unknown = f"There is no {request.method} {request.url.path}; GET / says what there is."
        detail = unknown if error.status_code in (404, 405) else error.detail
        response = LastResponse if error.status_code == 413 else JSONResponse
        return response({"error": detail}, error.status_code, error.headers)

    async def failed(request, error):
        return JSONResponse({"error": "The server failed; its log says why."}, 500)

    return Starlette(
        routes=[*(Route(*page, methods=["GET"]) for page in pages.items()), *map(endpoint, routes)],
        exception_handlers={HTTPException: refused, Exception: failed},
    )


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser("./scripts/serve", description=__doc__)
    parser.add_argument("model", metavar="MODEL", type=Path, help="the folder of the model")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="8000; 0 takes a free one")
    parser.add_argument("--max-mib", type=int, default=64, help="size of the largest body (64)")
    args = parser.parse_args()
    if args.max_mib < 1 or not 0 <= args.port <= 65535:
        parser.error("--max-mib must be at least 1, --port between 0 and 65535")
    return args


def main() -> None:
    args = parse_args()
    try:
        app = create_app(args.model, args.max_mib * 2**20)
    except (Exception, KeyboardInterrupt) as error:  # the runtimes raise kinds of their own
        reason = str(error).partition("\n")[0] or "interrupted"
        raise SystemExit(f"serve: cannot serve '{args.model}': {reason}") from None
    uvicorn.run(app, host=args.host, port=args.port, timeout_graceful_shutdown=10)


if __name__ == "__main__":
    main()
