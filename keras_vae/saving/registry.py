"""The registered names by which files know classes and functions.

Keras lets the last class that is registered under a name have it, without a word.
"""

from collections.abc import Callable

import keras

_PACKAGE = __name__.partition(".")[0]


def serializable(old: str | None = None) -> Callable:
    """Registers a class or function of the package, as `keras_vae.<folder>>Name`.

    Parts of one name in two folders are two parts. Used as a decorator: `@serializable()`.

    Args:
        old: its name in files of version 0.1, `keras_vae>` before it, which are still read.

    Raises:
        ValueError: if another class has the name.
    """

    def register(thing):
        keys = [f"{_PACKAGE}>{old}"] if old else []
        # The last one is what is written.
        keys.append(f"{'.'.join(thing.__module__.split('.')[:2])}>{thing.__name__}")
        for key in keys:
            holder = keras.saving.get_registered_object(key)
            if holder is not None and _place(holder) != _place(thing):
                raise ValueError(_reason(key, ".".join(_place(thing)), holder))
            keras.saving.register_keras_serializable(*key.split(">"))(thing)
        return thing

    return register


def _place(thing):
    # Not the thing itself: a reload defines a class twice.
    return thing.__module__, thing.__qualname__


def check_classes(parts) -> None:
    """Raises a ValueError if a file that holds these objects would be loaded with other classes."""
    for cls in {type(part): None for part in parts}:
        name = keras.saving.get_registered_name(cls)
        holder = keras.saving.get_registered_object(name) if ">" in name else None
        # Not `is`: a notebook or a reload defines a class twice.
        if holder is not None and _lineage(holder) != _lineage(cls):
            raise ValueError(_reason(name, f"{cls.__module__}.{cls.__qualname__}", holder))


def check_config(config: dict) -> None:
    """Raises a ValueError if the class in a file and the one of its name are not both ours or not.

    Modules are not compared further, as classes may move between versions.
    """
    module, name = str(config.get("module")), str(config.get("registered_name"))
    holder = keras.saving.get_registered_object(name)
    if holder is not None and _is_ours(module) != _is_ours(holder.__module__):
        raise ValueError(_reason(name, f"{module}.{config['class_name']}", holder))


def _lineage(cls):
    return list(map(_place, cls.__mro__ if isinstance(cls, type) else [cls]))


def _is_ours(module):
    return module.partition(".")[0] == _PACKAGE


def _reason(name, cls, holder):
    holder = f"{holder.__module__}.{holder.__qualname__}"
    return (
        f"{name!r}, the registered name of {cls}, was given to {holder} too, and files know "
        "classes by that name. Register yours under a package and name that no other class has: "
        '`@keras.saving.register_keras_serializable(package="mine", name="...")`.'
    )
