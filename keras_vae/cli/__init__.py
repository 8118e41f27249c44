"""The command `keras-vae`: trains, evaluates, exports and serves models from a terminal.

Only the functions below are imported with keras_vae; all else when the command runs. Its modules
import Keras late, as its options choose the backend, and its help needs none.
"""

import sys
from pathlib import Path


def chooses_backend() -> bool:
    """Returns whether this process is the command, and has not imported Keras yet."""
    is_script = Path(sys.argv[0]).name == "keras-vae"
    is_module = sys.argv[0] == "-m" and "keras_vae.cli" in sys.orig_argv
    return (is_script or is_module) and sys.modules.get("keras") is None


def main() -> None:
    """Runs the command with the arguments of the process, and ends it with its exit status."""
    from keras_vae.cli.app import run

    sys.exit(run(sys.argv[1:]))
