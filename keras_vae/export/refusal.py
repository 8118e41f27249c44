"""Refusal: what is said where a model cannot be exported, with the way round."""

import contextlib

from keras_vae.backend import BACKEND

# What each format is called, and the backends from which it is written.
_FORMATS = {
    "tf_saved_model": ("a SavedModel", ("tensorflow", "jax")),
    "onnx": ("ONNX", ("tensorflow", "jax", "torch")),
    "litert": ("LiteRT", ("tensorflow", "torch")),
    "torch": ("an ExportedProgram", ("torch",)),
}


class ExportError(RuntimeError):
    """A model or a function of it that a format cannot hold."""


@contextlib.contextmanager
def refusal(what: str, format: str):
    """Turns the error of a converter or a runtime into one that says what to do.

    Args:
        what: what is written, as the error calls it.
        format: the name of the format.

    Raises:
        ExportError: if the backend cannot write the format, and in place of any
            error but those of a missing package or of the disk.
    """
    title, backends = _FORMATS[format]
    others = " or ".join(name for name in backends if name != BACKEND)
    elsewhere = (
        'save the model with vae.save("vae.keras"), and load and export it in a process with '
        f"KERAS_BACKEND={others}"
    )
    if BACKEND not in backends:
        raise ExportError(f"The {BACKEND} backend cannot write {title}. Instead, {elsewhere}.")
    try:
        yield
    except (ExportError, ImportError, OSError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        ways = [elsewhere] if others else []
        raise ExportError(
            f"The {BACKEND} backend cannot write {what} as {title}: {type(error).__name__}: "
            f"{reason}\nInstead, {', or '.join([*ways, 'take another format'])}. "
            "endpoint=... writes one function alone."
        ) from error
