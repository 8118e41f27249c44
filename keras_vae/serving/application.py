"""The application: which routes there are, and what each does."""

import os
from pathlib import Path

import numpy as np
from answer import LastResponse
from limits import UNREAD, Limits, Room
from metrics import Metrics
from model_route import ModelRoute
from served_model import Model, load_model
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route


def create_app(model_path: str | os.PathLike, limits: Limits | None = None) -> Starlette:
    """Makes the ASGI app that serves the model in the folder `model_path`."""
    model, limits = load_model(Path(model_path)), limits or Limits()
    room = Room(limits)
    names = routes_of(model)
    gives = {
        route: first_call(model, endpoints, limits.max_rows) for route, endpoints in names.items()
    }
    served = {
        route: ModelRoute(route, model, endpoints, gives[route], limits, room)
        for route, endpoints in names.items()
    }
    about = JSONResponse(describe(model, gives, limits))
    health = JSONResponse({"status": "ok"})
    metrics = Metrics(room, {route: found.batcher for route, found in served.items()})

    def numbers(request):
        return PlainTextResponse(metrics.text(), media_type=metrics.MEDIA_TYPE)

    async def page(request):
        return health if request.url.path == "/health" else about

    async def refused(request, error):
        unknown = f"There is no {request.method} {request.url.path}; GET / says what there is."
        detail = unknown if error.status_code in (404, 405) else error.detail
        unread = UNREAD.items() <= (error.headers or {}).items()
        response = LastResponse if unread and error.status_code != 408 else JSONResponse
        return response({"error": detail}, error.status_code, error.headers)

    async def failed(request, error):
        return JSONResponse({"error": "The server failed; its log says why."}, 500)

    return Starlette(
        routes=[
            Route("/", page, methods=["GET"]),
            Route("/health", page, methods=["GET"]),
            Route("/metrics", numbers, methods=["GET"]),
            *(Route(f"/{route}", found, methods=["POST"]) for route, found in served.items()),
        ],
        middleware=[Middleware(metrics.middleware)],
        exception_handlers={HTTPException: refused, Exception: failed},
    )


def routes_of(model: Model) -> dict[str, tuple[str, ...]]:
    """Gives the endpoints of the model that each route answers by."""
    routes: dict[str, tuple[str, ...]] = {name: (name,) for name in model.endpoints}
    if of_x := tuple(name for name in model.endpoints if "x" in model.endpoints[name].inputs):
        routes["predict"] = of_x
    return routes


def first_call(model: Model, names: tuple[str, ...], rows: int) -> dict[str, list]:
    """Gives the shapes of what the endpoints give.

    The first call is slow, and a call of as many rows as any takes what memory they keep.
    """
    inputs = {}
    for name in model.inputs(names):
        shape, dtype = model.takes[name]
        sizes = [size or 1 for size in shape]
        inputs[name] = np.ones([shape[0] or rows, *sizes[1:]] if shape else (), dtype)
    return {name: [None, *value.shape[1:]] for name, value in model.run(names, inputs).items()}


def describe(model: Model, gives: dict[str, dict[str, list]], limits: Limits) -> dict:
    """Gives what `GET /` answers."""
    shapes: dict = {
        k: {"shape": given.shape, "dtype": given.dtype} for k, given in model.takes.items()
    }
    takes: dict = {"input": shapes["x"]} if "x" in shapes else {}
    takes |= {"target": shapes["y"]} if "y" in shapes else {}
    if conditions := model.conditions():
        takes["conditions"] = {name: shapes[name] for name in conditions}
    endpoints = {f"/{route}": found for route, found in gives.items()}
    return {**takes, "endpoints": endpoints, "max_bytes": limits.max_bytes}
