"""The application: which routes there are, and what each does."""

import math
import os
from pathlib import Path

import numpy as np
from answer import LastResponse, answer_type, pack
from request_body import limit, read_body, read_inputs
from served_model import load_model
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route


def create_app(model_path: str | os.PathLike, max_bytes: int = 64 * 2**20) -> Starlette:
    """Makes the ASGI app that serves the model in the folder `model_path`."""
    model = load_model(Path(model_path))
    routes = {name: (name,) for name in model.endpoints}
    if of_x := tuple(name for name in model.endpoints if "x" in model.endpoints[name].inputs):
        routes["predict"] = of_x
    # A first call, which is slow, also tells what there is to get.
    ones = {
        name: np.ones([size or 1 for size in given.shape], given.dtype)
        for name, given in model.takes.items()
    }

    def first_call(names):
        outputs = model.run(names, {name: ones[name] for name in model.inputs(names)})
        return {name: [None, *value.shape[1:]] for name, value in outputs.items()}

    gives = {f"/{route}": first_call(names) for route, names in routes.items()}
    shapes = {k: {"shape": given.shape, "dtype": given.dtype} for k, given in model.takes.items()}
    takes = {"input": shapes["x"]} if "x" in shapes else {}
    takes |= {"target": shapes["y"]} if "y" in shapes else {}
    if conditions := model.conditions():
        takes["conditions"] = {name: shapes[name] for name in conditions}
    about = {**takes, "endpoints": gives, "max_bytes": max_bytes}
    pages = {"/": JSONResponse(about), "/health": JSONResponse({"status": "ok"})}

    def endpoint(route):
        names = model.inputs(routes[route])

        def answer(headers, body):
            media_type = answer_type(route, headers.get("accept", ""))
            content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
            inputs = read_inputs(content_type, body, names, model, max_bytes)
            if route == "sample":
                n = inputs["n"] if "n" in inputs else len(inputs[names[0]])
                row = math.prod(gives["/sample"]["reconstruction"][1:])
                limit("What is drawn", 4 * int(n) * row, max_bytes)
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
