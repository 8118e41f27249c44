"""What a request is answered with."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Iterator

import numpy as np
from media_types import JSON, NPY, NPZ
from served_model import ENDPOINTS
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse

LINGER = 2.0  # seconds in which the rest of a refused body is read and dropped
VALUES = 2**12  # of a part of a JSON answer: to write one holds up all others
BYTES = 2**18  # of a part of any other


def answer_type(route: str, accept: str) -> str:
    """Gives the media type of an answer from the `Accept` of the request, JSON by default."""
    if NPY in accept and ENDPOINTS.get(route):
        return NPY
    if NPY in accept and NPZ not in accept:
        raise HTTPException(406, f"/{route} gives several arrays: Accept {NPZ} or {JSON}.")
    return NPZ if NPZ in accept else JSON


def pack(route: str, outputs: dict[str, np.ndarray], media_type: str) -> Response:
    """Gives the answer that holds the outputs, or refuses those that are not finite."""
    if not all(np.isfinite(value).all() for value in outputs.values()):
        raise HTTPException(
            422,
            "The model's answer is not finite. Scale x as in training, and give as a condition "
            "only what the model was trained with.",
        )
    if media_type == JSON:
        if sum(value.size for value in outputs.values()) <= VALUES:
            return Response("".join(as_json(outputs)), media_type=JSON)
        return StreamingResponse(as_json(outputs), media_type=JSON)
    file = io.BytesIO()
    if media_type == NPY and (name := ENDPOINTS[route]) is not None:
        np.save(file, outputs[name])
    else:
        np.savez(file, **outputs)  # type: ignore[arg-type]  # NumPy's own `allow_pickle`
    content = file.getbuffer()
    if len(content) <= BYTES:
        return Response(bytes(content), media_type=media_type)
    headers = {"Content-Length": str(len(content))}
    return StreamingResponse(in_parts(content), headers=headers, media_type=media_type)


async def in_parts(content: memoryview) -> AsyncIterator[bytes]:
    """Yields the content in parts, between which others have their turn."""
    for start in range(0, len(content), BYTES):
        yield bytes(content[start : start + BYTES])


def as_json(outputs: dict[str, np.ndarray]) -> Iterator[str]:
    """Yields a JSON object in parts: as a whole it would take much memory, and hold up others."""
    before = "{"
    for key, value in outputs.items():
        before += f'"{key}":['
        rows = max(1, VALUES // value[0].size)
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
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while (await receive()).get("more_body"):
                    pass
        await send({"type": "http.response.body"})
