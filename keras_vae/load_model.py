"""load_model: reads a `.keras` file after a look at what is in it."""

import json
import os
import zipfile
from pathlib import Path

import keras

from keras_vae.version import __version__

_CONTENTS = ("metadata.json", "config.json", "model.weights.h5")
# What Keras writes for values that are no objects of a class.
_VALUES = {
    f"__{name}__"
    for name in ("bytes", "ellipsis", "keras_tensor", "numpy", "slice", "tensor", "typespec")
}


def load_model(filepath: str | os.PathLike) -> keras.Model:
    """Loads what `vae.save` or `keras.saving.save_model` wrote, and checks the file first.

    `keras.saving.load_model` loads the same files. This function also verifies
    the archive's checksums, so that damaged weights are not taken for good ones,
    and its errors name the file. No code in the file is run.

    Args:
        filepath: a `.keras` file.

    Returns:
        The model, or a part that was saved on its own, compiled if it was.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, was written by a newer version, holds
            code, or names a class or function that is not registered with Keras.

    Example:
        >>> vae.save("vae.keras")
        >>> vae = keras_vae.load_model("vae.keras")
        >>> keras.saving.save_model(vae.encoder, "encoder.keras")
        >>> encoder = keras_vae.load_model("encoder.keras")
    """
    path = Path(filepath)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        config = _read_config(path)
        _check_objects(config)
        return keras.saving.load_model(path, safe_mode=True)
    except Exception as error:
        # Of any kind: a damaged file can fail anywhere in what reads it.
        reason = str(error) or type(error).__name__
        raise ValueError(f"Cannot load {path}: {reason}") from error


def check_version(version: str) -> None:
    """Raises a ValueError if `version` is newer than this one in its first two numbers."""
    try:
        newer = _numbers(version) > _numbers(__version__)
    except (AttributeError, ValueError):
        raise ValueError(f"{version!r} is no version of keras_vae.") from None
    if newer:
        raise ValueError(
            f"It was saved by keras_vae {version}, and this is {__version__}. Install that version "
            "or a later one."
        )


def _numbers(version):
    return tuple(int(number) for number in version.split(".")[:2])


def _read_config(path):
    try:
        with zipfile.ZipFile(path) as archive:
            missing = set(_CONTENTS) - set(archive.namelist())
            damaged = None if missing else archive.testzip()
            config = None if missing or damaged else json.loads(archive.read("config.json"))
    except Exception as error:
        # zipfile and zlib raise a dozen kinds on damaged archives.
        raise ValueError(f"it is no whole .keras file ({error}).") from error
    if missing:
        raise ValueError(f"it is no .keras file: it lacks {', '.join(sorted(missing))}.")
    if damaged:
        raise ValueError(f"it is damaged: {damaged} in it does not have its checksum.")
    return config


def _check_objects(config):
    """Raises a ValueError at the first object that Keras would not build without running code."""
    if isinstance(config, list):
        for item in config:
            _check_objects(item)
    elif isinstance(config, dict):
        if isinstance(config.get("class_name"), str) and "config" in config:
            _check_object(config)
        for item in config.values():
            _check_objects(item)


def _check_object(config):
    class_name, module = config["class_name"], str(config.get("module"))
    if class_name == "__lambda__":
        raise ValueError(
            "it holds a lambda, which is code, and no code of a file is run. Replace the lambda by "
            "a function or layer registered with Keras, and save the model again."
        )
    is_of_keras = module == "keras" or module.startswith("keras.")
    if class_name in _VALUES or is_of_keras:
        return
    if class_name == "function":
        kind, name, known = "def", str(config["config"]).rpartition(">")[2], _is_function(config)
    else:
        registered = keras.saving.get_registered_object(str(config.get("registered_name")))
        kind, name, known = "class", class_name, registered is not None
    if not known:
        raise ValueError(
            f"it needs {name!r}, which Keras does not know. Add "
            "`@keras.saving.register_keras_serializable()` on the line above "
            f"`{kind} {name}`, and import its module before you load the file."
        )


def _is_function(config):
    try:
        return callable(keras.saving.deserialize_keras_object(config))
    except Exception:  # its errors speak of configs, not of what to do
        return False
