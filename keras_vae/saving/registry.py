"""Finds classes whose registered name, by which files know them, was given to another class.

Keras lets the last class that is registered under a name have it, without a word.
"""

import keras

_PACKAGE = __name__.partition(".")[0]


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
    return [(c.__module__, c.__qualname__) for c in getattr(cls, "__mro__", [cls])]


def _is_ours(module):
    return module.partition(".")[0] == _PACKAGE


def _reason(name, cls, holder):
    holder = f"{holder.__module__}.{holder.__qualname__}"
    return (
        f"{name!r}, the registered name of {cls}, was given to {holder} too, and files know "
        "classes by that name. Register yours under a package and name that no other class has: "
        '`@keras.saving.register_keras_serializable(package="mine", name="...")`.'
    )
