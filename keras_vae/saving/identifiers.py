"""Turns what a user may pass for a part, a name or a config, into the part."""

import copy
import inspect
import re
from collections.abc import Mapping
from typing import Any

import keras


def by_name(namespace: Mapping[str, Any], kind: type) -> dict[str, type]:
    """Returns the classes of a kind that can be had by a name, in the order of the names.

    The name is that of the class in snake case, without the last word of the kind:
    `StandardNormal` is "standard_normal", `PlanarFlowHead` among heads "planar_flow". A
    class says `public_name = "..."` where it is to be another, and `public_name = None`
    where it cannot be made without arguments.

    Args:
        namespace: what a module defines and imports, its `globals()`.
        kind: the abstract class that parts of this kind inherit from.
    """
    last_word = "_" + _snake_case(kind.__name__).split("_")[-1]
    found = {}
    for cls in namespace.values():
        if _is_subclass(cls, kind) and cls is not kind and not inspect.isabstract(cls):
            name = _snake_case(cls.__name__).removesuffix(last_word)
            name = vars(cls).get("public_name", name)  # its own, not an inherited one
            if name is not None:
                found[name] = cls
    return dict(sorted(found.items()))


def resolve(identifier, names: Mapping[str, type], cls: type, kind: str | None = None) -> Any:
    """Returns the part that `identifier` stands for.

    Args:
        identifier: a name among `names`, a serialized config, or the part.
        names: the classes that have a name.
        cls: the class that a part of this kind inherits from.
        kind: what the part is called in errors; by default as the class.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
        TypeError: if the result is not of that class.
    """
    kind = kind or cls.__name__.lower()
    known = ", ".join(repr(name) for name in sorted(names))
    if isinstance(identifier, str):
        if identifier not in names:
            raise ValueError(f"Unknown {kind} {identifier!r}. Known names: {known}.")
        return names[identifier]()
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(copy.deepcopy(identifier))
    if isinstance(identifier, cls):
        return identifier
    public = ".".join([*cls.__module__.split(".")[:2], cls.__name__])
    hint = (
        f"call it: {identifier.__name__}()"
        if _is_subclass(identifier, cls)
        else (f"one of your own inherits from {public}, whose docstring says how")
    )
    article = "An" if kind[0] in "aeiou" else "A"
    raise TypeError(
        f"{article} {kind} is a name ({known}) or a {public}; received {identifier!r}. "
        f"To mend it, {hint}."
    )


def _is_subclass(value, cls):
    return isinstance(value, type) and issubclass(value, cls)


def _snake_case(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
