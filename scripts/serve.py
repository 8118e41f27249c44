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
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Model:
    """An exported VAE.

    features: the shape of a sample; None where any size goes.
    endpoints: by name, functions from x of shape `(batch, *features)` to a dict
        of arrays of shape `(batch, ...)`.
    """

    features: tuple[int | None, ...]
    endpoints: dict

    def run(self, names, x: np.ndarray) -> dict[str, np.ndarray]:
        """Gives the outputs of the named endpoints for x, and `anomaly_score` = -`score`."""
        parts = []
        for start in range(0, len(x), CHUNK):
            rows = x[start : start + CHUNK]
            parts.append({k: v for name in names for k, v in self.endpoints[name](rows).items()})
        outputs = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        if "score" in outputs:
            outputs["anomaly_score"] = -outputs["score"]
        return outputs

    def check(self, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        """Refuses an x that the model does not take."""
        takes = f"({', '.join(str(size) for size in ('batch', *self.features))})"
        if dtype.kind not in "biuf":
            raise HTTPException(422, f"x must hold numbers and nothing else, as {takes}.")
        if shape[:1] == (0,):
            raise HTTPException(422, f"x is empty. Send at least one sample, as {takes}.")
        pairs = zip((None, *self.features), shape, strict=False)
        fits = all(found > 0 and size in (None, found) for size, found in pairs)
        if not fits or len(shape) != len(self.features) + 1:
            fix = f"The model takes {takes}; a single sample is a batch of one."
            raise HTTPException(422, f"x has the shape {shape}. {fix}")


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

    def endpoint(name):
        def call(x):
            outputs = getattr(model, name)(tf.constant(x))
            outputs = outputs if isinstance(outputs, dict) else {ENDPOINTS[name]: outputs}
            return {key: value.numpy() for key, value in outputs.items()}

        return call

    names = [name for name in ENDPOINTS if name in model.signatures]
    if not names:
        raise ValueError(f"it has none of the endpoints {', '.join(ENDPOINTS)}")
    (spec,) = model.signatures[names[0]].structured_input_signature[1].values()
    return Model(tuple(spec.shape.as_list()[1:]), {name: endpoint(name) for name in names})


def load_onnx(files: dict[str, Path]) -> Model:
    import onnxruntime

    def endpoint(session):
        (given,) = (tensor.name for tensor in session.get_inputs())
        names = [tensor.name for tensor in session.get_outputs()]
        return lambda x: dict(zip(names, session.run(None, {given: x}), strict=True))

    cpu = ["CPUExecutionProvider"]
    sessions = {k: onnxruntime.InferenceSession(f, providers=cpu) for k, f in files.items()}
    shape = next(iter(sessions.values())).get_inputs()[0].shape
    features = tuple(size if isinstance(size, int) else None for size in shape[1:])
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


def read_json(body: bytearray, model: Model) -> np.ndarray:
    """Gives x of a JSON body, of any dtype."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f'The body is not JSON: {error}. Send {{"x": [...]}}.') from None
    if not isinstance(document, dict) or "x" not in document:
        raise HTTPException(422, 'Send a JSON object with the key "x": {"x": [...]}.')
    try:
        x = np.asarray(document["x"])
    except ValueError:
        raise HTTPException(422, "x is ragged: lists differ in length or depth.") from None
    model.check(x.dtype, x.shape)
    return x


def read_npy(body: bytearray, model: Model) -> np.ndarray:
    """Gives x of a .npy body, of any dtype. Nothing is allocated on the word of its header."""
    file, form = io.BytesIO(memoryview(body)[: 2**17]), np.lib.format
    headers = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}
    try:
        shape, fortran_order, dtype = headers[form.read_magic(file)](file)
    except Exception:  # NumPy's parser lets errors of many kinds through
        raise HTTPException(400, "The body is not a .npy file. Write it by numpy.save.") from None
    if dtype.hasobject:
        raise HTTPException(400, "The .npy file holds pickled Python objects. Send numbers.")
    model.check(dtype, shape)
    if math.prod(shape) * dtype.itemsize != len(body) - file.tell():
        raise HTTPException(400, "The .npy file is cut short, or its header is wrong.")
    x = np.frombuffer(body, dtype, offset=file.tell())
    return x.reshape(shape, order="F" if fortran_order else "C")


def read_x(content_type: str, body: bytearray, model: Model, max_bytes: int) -> np.ndarray:
    """Gives x of shape `(batch, *features)`, float32 and finite, or says what is wrong."""
    readers = {JSON: read_json, NPY: read_npy}
    if content_type not in readers:
        raise HTTPException(415, f"The Content-Type is {content_type!r}. Send {JSON} or {NPY}.")
    x = readers[content_type](body, model)
    limit("x as float32", 4 * x.size, max_bytes)  # small dtypes grow
    with np.errstate(over="ignore"):  # what overflows is refused below
        x = x.astype(np.float32, order="C")
    if not np.isfinite(x).all():
        raise HTTPException(422, "x has NaN or infinite values, as float32. Send finite ones.")
    return x


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
    zeros = np.zeros((1, *(size or 1 for size in model.features)), np.float32)
    gives = {
        f"/{route}": {k: [None, *v.shape[1:]] for k, v in model.run(names, zeros).items()}
        for route, names in routes.items()
    }
    takes = {"shape": [None, *model.features], "dtype": "float32"}
    about = {"input": takes, "endpoints": gives, "max_bytes": max_bytes}
    pages = {"/": JSONResponse(about), "/health": JSONResponse({"status": "ok"})}

    def endpoint(route):
        def answer(headers, body):
            media_type = answer_type(route, headers.get("accept", ""))
            content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
            x = read_x(content_type, body, model, max_bytes)
            return pack(route, model.run(routes[route], x), media_type)

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
