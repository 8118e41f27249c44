"""`keras-vae serve`: runs the server of `keras_vae.serving` in this process, without Keras."""

import runpy
import sys
from pathlib import Path
from typing import Annotated

import typer

from keras_vae.cli import package

SERVING = Path(__file__).parents[1] / "serving"


def serve(
    model: Annotated[Path, typer.Argument(
        help="What export wrote: a SavedModel, a folder of .onnx files, or one of them.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(
        min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    max_mib: Annotated[int, typer.Option(min=1, help="Size of the largest body, MiB.")] = 64,
    max_requests: Annotated[int, typer.Option(
        min=1, help="Requests that are worked on at once; more get 503.")] = 256,
    max_rows: Annotated[int, typer.Option(
        min=1, help="Samples of one call of the model, of all clients; 1 batches none.")] = 64,
    head_seconds: Annotated[float, typer.Option(
        help="In which the head of a request has come, or it gets 408.")] = 10.0,
    body_seconds: Annotated[float, typer.Option(help="In which its body has come.")] = 60.0,
    answer_seconds: Annotated[float, typer.Option(
        help="In which a client takes what it is sent of its answer.")] = 60.0,
    stop_seconds: Annotated[float, typer.Option(
        help="In which requests are answered when the server is stopped.")] = 30.0,
    access_log: Annotated[bool, typer.Option(
        "--access-log", help="Log a line for each request.")] = False,
) -> None:  # fmt: skip
    r"""Serve an exported model over HTTP; Ctrl-C ends it.

    It needs pip install "keras-vae\[serve]", and onnxruntime for .onnx files. Where neither Keras
    nor keras_vae is, the server runs by its path: python path/to/keras_vae/serving MODEL.

    [bold]Examples[/]

      keras-vae serve served
      keras-vae serve served --host 0.0.0.0 --port 9000
      curl localhost:8000/
    """
    if not model.exists():
        raise FileNotFoundError(f"no file or folder {str(model)!r}; give what export wrote.")
    package.require('"keras-vae[serve]"', "starlette", "uvicorn")
    if not (model / "saved_model.pb").exists():
        package.require("onnxruntime", "onnxruntime")
    named = {
        "host": host, "port": port, "max-mib": max_mib, "max-requests": max_requests,
        "max-rows": max_rows, "head-seconds": head_seconds, "body-seconds": body_seconds,
        "answer-seconds": answer_seconds, "stop-seconds": stop_seconds,
    }  # fmt: skip
    options = [f"--{name}={value}" for name, value in named.items()]
    options += ["--access-log"] if access_log else []
    arguments, sys.argv = sys.argv, ["keras-vae serve", *options, "--", str(model)]
    try:
        runpy.run_path(str(SERVING), run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            raise ValueError(end.code) from None
        raise
    finally:
        sys.argv = arguments
