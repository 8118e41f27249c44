"""Serves an exported VAE over HTTP, where there is no keras_vae.

MODEL is a folder with saved_model.pb, which takes TensorFlow, or with reconstruct.onnx,
encode.onnx and score.onnx, or one such file, which takes onnxruntime. docs/serving.md says
what to send and what comes back.
"""

import argparse
from pathlib import Path

import uvicorn
from application import create_app


def parse_args() -> argparse.Namespace:
    """Reads the command line, and ends the program where it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", metavar="MODEL", type=Path, help="the folder of the model")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="8000; 0 takes a free one")
    parser.add_argument("--max-mib", type=int, default=64, help="size of the largest body (64)")
    args = parser.parse_args()
    if args.max_mib < 1 or not 0 <= args.port <= 65535:
        parser.error("--max-mib must be at least 1, --port between 0 and 65535")
    return args


def main() -> None:
    """Serves the model of the command line until it is interrupted."""
    args = parse_args()
    try:
        app = create_app(args.model, args.max_mib * 2**20)
    except (Exception, KeyboardInterrupt) as error:  # the runtimes raise kinds of their own
        reason = str(error).partition("\n")[0] or "interrupted"
        raise SystemExit(f"cannot serve '{args.model}': {reason}") from None
    uvicorn.run(app, host=args.host, port=args.port, timeout_graceful_shutdown=10)


if __name__ == "__main__":
    main()
