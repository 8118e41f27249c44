"""Imports Keras and keras_vae once the backend is chosen."""

import importlib
import importlib.util
import os
import sys
from types import ModuleType

from keras_vae.cli import console

BACKENDS = ("tensorflow", "jax", "torch")


def load(backend: str | None) -> ModuleType:
    """Imports keras_vae whole and returns it.

    Args:
        backend: "tensorflow", "jax" or "torch"; `None` leaves it to `KERAS_BACKEND` and to Keras.

    Raises:
        ValueError: for another name, or if Keras runs on another backend already.
        ImportError: if the backend is not installed.
    """
    backend = backend or os.environ.get("KERAS_BACKEND") or None
    if backend not in (None, *BACKENDS):
        raise ValueError(f"Unknown backend {backend!r}. Known: {', '.join(BACKENDS)}.")
    if backend is not None:
        require(f'"keras-vae[{backend}]"', backend)
    if backend and "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with console.without_chatter():  # TensorFlow tells much that nobody has asked for
        import keras

    if backend not in (None, keras.backend.backend()):
        raise ValueError(
            f"Keras runs on {keras.backend.backend()} already; for {backend} start a process with "
            f"KERAS_BACKEND={backend}."
        )
    import keras_vae

    if "VAE" not in vars(keras_vae):  # it waited for the backend
        with console.without_chatter():
            importlib.reload(keras_vae)
    return keras_vae


def require(package: str, *modules: str) -> None:
    """Raises an ImportError that says which package to install if a module is missing."""
    missing = [module for module in modules if not is_installed(module)]
    if missing:
        raise ImportError(f"{missing[0]} is not installed: pip install {package}")


def is_installed(*modules: str) -> bool:
    """Returns whether all modules can be imported."""
    return all(importlib.util.find_spec(module) is not None for module in modules)
