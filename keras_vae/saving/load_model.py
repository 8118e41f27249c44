"""load_model: reads a `.keras` file after a look at what is in it."""

import json
import os
import re
import zipfile
from pathlib import Path

import keras

from keras_vae.saving.registry import check_config
from keras_vae.version import __version__

_CONTENTS = ("metadata.json", "config.json", "model.weights.h5")
# Bounds on what a file may ask for. Keras compresses nothing, the JSON of a thousand layers takes
# 1 MB, and members beyond the three are what single layers keep, such as vocabularies.
_MAX_JSON = 16 * 2**20
_MAX_INFLATION = 100
_MAX_MEMBERS = 10_000
# What Keras writes for values that are no objects of a class.
_VALUES = {
    f"__{name}__"
    for name in ("bytes", "ellipsis", "keras_tensor", "numpy", "slice", "tensor", "typespec")
}


def load_model(filepath: str | os.PathLike) -> keras.Model:
    """Loads what `vae.save` or `keras.saving.save_model` wrote, and checks the file first.

    `keras.saving.load_model` loads the same files. This function also verifies
    the archive's checksums, so that damaged weights are not taken for good ones,
    and its errors name the file. No code in the file is run, and nothing is unpacked
    that takes a hundred times the file: a config has 16 MB at most.

    Args:
        filepath: a `.keras` file.

    Returns:
        The model, or a part that was saved on its own, compiled if it was.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or of another kind, was written by a newer
            version, holds code or more than a model would take, or names a class or
            function that is not registered with Keras.

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
    name = path.name.lower()
    with open(path, "rb") as file:
        is_hdf5 = file.read(8) == b"\x89HDF\r\n\x1a\n" or name.endswith((".h5", ".hdf5"))
    if is_hdf5:
        raise ValueError(
            "it is an HDF5 file, and only .keras files, of vae.save, hold a whole model. The "
            "weights in a .weights.h5 file are read by vae.load_weights, of a built model."
        )
    if not path.name.endswith(".keras"):
        raise ValueError("its name does not end in .keras. Rename it if it is a file of vae.save.")
    try:
        with zipfile.ZipFile(path) as archive:
            fault = _fault_of_members(archive.infolist(), path.stat().st_size)
            damaged = None if fault else archive.testzip()
            config = None if fault or damaged else json.loads(archive.read("config.json"))
    except Exception as error:
        # zipfile and zlib raise a dozen kinds on damaged archives.
        raise ValueError(f"it is no whole .keras file ({error}).") from error
    if damaged:
        fault = f"it is damaged: {damaged} in it does not have its checksum."
    if fault:
        raise ValueError(fault)
    return config


def _fault_of_members(members, size):
    """Returns what no .keras file has, before anything is unpacked, or None."""
    if len(members) > _MAX_MEMBERS:
        return f"it has {len(members):,} members; a .keras file has at most {_MAX_MEMBERS:,}."
    sizes = {}
    for member in members:
        name = member.filename
        if name in sizes:
            return f"it is no .keras file: it holds {name} twice."
        if ".." in re.split(r"[/\\]", name) or re.match(r"[/\\]|[A-Za-z]:", name):
            return f"it is no .keras file: it holds {name!r}, which lies outside of it."
        sizes[name] = member.file_size
    missing = sorted(set(_CONTENTS) - set(sizes))
    if missing:
        return f"it is no .keras file: it lacks {', '.join(missing)}."
    for name in _CONTENTS[:2]:
        if sizes[name] > _MAX_JSON:
            return (
                f"{name} in it takes {sizes[name]:,} bytes; that of a model takes at most "
                f"{_MAX_JSON:,}."
            )
    if sum(sizes.values()) > _MAX_JSON + _MAX_INFLATION * size:
        name = max(sizes, key=sizes.get)
        return (
            f"{name} in it would take {sizes[name]:,} bytes, and the file has {size:,}: more than "
            f"{_MAX_INFLATION} times as much, though the weights of a model hardly compress."
        )
    return None


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
        check_config(config)
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
