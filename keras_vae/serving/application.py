"""The application: which routes there are, and what each does."""

import os
from pathlib import Path

import numpy as np
from answer import LastResponse, answer_type, pack
from request_body import read_body, read_inputs
from served_model import load_model
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route


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
