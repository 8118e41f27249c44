"""Serves an exported VAE over HTTP, where there is no keras_vae.

MODEL is a folder with saved_model.pb, which takes TensorFlow, or with reconstruct.onnx,
encode.onnx and score.onnx, or one such file, which takes onnxruntime. docs/serving.md says
what to send and what comes back.
"""

import argparse
import contextlib
import ctypes
from pathlib import Path

import uvicorn
from application import create_app
from connection import Connection
from limits import Limits
from quiet_log import log_config

BACKLOG = 128  # connections that wait to be accepted
M_MMAP_THRESHOLD = -3  # of malloc.h


def parse_args() -> argparse.Namespace:
    """Reads the command line, and ends the program where it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)

    def add(name, kind, default, help):
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"{help} ({default})")

    parser.add_argument("model", metavar="MODEL", type=Path, help="the folder of the model")
    add("host", str, "127.0.0.1", "address to listen on")
    add("port", int, 8000, "port to listen on, 0 for a free one")
    add("max-mib", int, 64, "size of the largest body")
    add("max-requests", int, 256, "requests that are worked on at once; more get 503")
    add("max-rows", int, 64, "samples of one call of the model, of all clients; 1 batches none")
    add("head-seconds", float, 10.0, "in which the head of a request has come, or it gets 408")
    add("body-seconds", float, 60.0, "in which its body has come")
    add("answer-seconds", float, 60.0, "in which a client takes what it is sent of its answer")
    add("stop-seconds", float, 30.0, "in which requests are answered when the server is stopped")
    parser.add_argument("--access-log", action="store_true", help="log a line for each request")
    args = parser.parse_args()
    numbers = {k: v for k, v in vars(args).items() if k.startswith("max_") or "seconds" in k}
    if not 0 <= args.port <= 65535:
        parser.error("--port must lie between 0 and 65535")
    for name, value in numbers.items():
        if value < 1 and (value <= 0 or name.startswith("max_")):
            parser.error(f"--{name.replace('_', '-')} is {value}; it must be above 0")
    return args


def main() -> None:
    """Serves the model of the command line until it is interrupted."""
    args = parse_args()
    return_memory()
    limits = Limits(
        max_bytes=args.max_mib * 2**20,
        max_requests=args.max_requests,
        max_rows=args.max_rows,
        head_seconds=args.head_seconds,
        body_seconds=args.body_seconds,
    )
    try:
        app = create_app(args.model, limits)
    except (Exception, KeyboardInterrupt) as error:  # the runtimes raise kinds of their own
        reason = str(error).partition("\n")[0] or "interrupted"
        raise SystemExit(f"cannot serve '{args.model}': {reason}") from None
    Connection.head_seconds = limits.head_seconds
    Connection.answer_seconds = args.answer_seconds
    Connection.most = most_connections()
    uvicorn.run(
        app,
        host=args.host,
        port=args.port,
        backlog=BACKLOG,
        http=Connection,
        ws="none",
        lifespan="off",
        access_log=args.access_log,
        log_config=log_config(),
        timeout_graceful_shutdown=args.stop_seconds,
    )


def return_memory() -> None:
    """Has glibc give large blocks back once they are free; else it learns to keep them."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another library of C
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 2**20)


def most_connections() -> int | None:
    """Returns how many connections the limit of open files leaves, where there is one.

    Half of it: asyncio accepts as many as wait, `BACKLOG`, before it says that there is one.
    """
    with contextlib.suppress(ImportError):
        import resource

        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files != resource.RLIM_INFINITY:
            return max(1, files // 2)
    return None


if __name__ == "__main__":
    main()
