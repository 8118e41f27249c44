"""ModelRoute: from the request to a route of the model to its answer."""

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from answer import answer_type, pack
from batching import Batcher
from limits import Limits, Room, limit
from request_body import body_of, media_type, read_inputs
from served_model import Model
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

T = TypeVar("T")
QUICK = 2**16  # bytes that are read or written sooner than a thread is told to do so


class ModelRoute:
    """An ASGI app that answers by some endpoints of the model.

    Args:
        route: its name.
        model: the model.
        names: of the endpoints.
        gives: the shape of each output, by name.
        limits: what is let in.
        room: that the requests of all routes share.
    """

    def __init__(
        self,
        route: str,
        model: Model,
        names: tuple[str, ...],
        gives: dict[str, list],
        limits: Limits,
        room: Room,
    ):
        self.route, self.model, self.names = route, model, names
        self.gives, self.limits, self.room = gives, limits, room
        self.inputs = model.inputs(names)
        sizes = [model.takes[name].shape[0] for name in self.inputs if model.takes[name].shape]
        rows = min((size for size in sizes if size), default=limits.max_rows)
        self.batcher = Batcher(lambda inputs: model.run(names, inputs), min(rows, limits.max_rows))

    async def __call__(self, scope, receive, send):
        request = Request(scope, receive)
        async with body_of(request, self.limits, self.room) as body:
            response = await self.answer(request.headers, body)
            await response(scope, receive, send)

    async def answer(self, headers: Headers, body: bytearray) -> Response:
        """Gives the answer to a request."""
        given = answer_type(self.route, headers.get("accept", ""))
        inputs = await in_turn(len(body), self.read, headers, body)
        if "x" in inputs:
            outputs = await self.batcher(inputs)
        else:  # a seed is for all draws together
            outputs = await run_in_threadpool(self.model.run, self.names, inputs)
        size = sum(value.nbytes for value in outputs.values())
        return await in_turn(size, pack, self.route, outputs, given)

    def read(self, headers: Headers, body: bytearray) -> dict[str, np.ndarray]:
        """Gives the arrays of the body."""
        max_bytes = self.limits.max_bytes
        inputs = read_inputs(media_type(headers), body, self.inputs, self.model, max_bytes)
        if self.route == "sample":
            n = inputs["n"] if "n" in inputs else len(inputs[self.inputs[0]])
            row = math.prod(self.gives["reconstruction"][1:])
            limit("What is drawn", 4 * int(n) * row, max_bytes)
        return inputs


async def in_turn(size: int, function: Callable[..., T], *args) -> T:
    """Calls a function of data of so many bytes, in a thread where it takes its time."""
    return function(*args) if size <= QUICK else await run_in_threadpool(function, *args)
