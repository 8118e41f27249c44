"""Turns what a user may pass for a part, a name or a config, into the part."""

import copy

import keras


def resolve(identifier, names: dict[str, type], kind: str, methods: tuple[str, ...]):
    """Returns the part that `identifier` stands for.

    Args:
        identifier: a name among `names`, a serialized config, or the part.
        names: the classes that have a name.
        kind: what the part is called in errors, such as `"likelihood"`.
        methods: the methods that a part of this kind must have.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
        TypeError: if the result lacks one of the methods.
    """
    if isinstance(identifier, str):
        if identifier not in names:
            known = ", ".join(repr(name) for name in sorted(names))
            raise ValueError(f"Unknown {kind} {identifier!r}. Known names: {known}.")
        return names[identifier]()
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(copy.deepcopy(identifier))
    missing = [method for method in methods if not hasattr(identifier, method)]
    if missing or isinstance(identifier, type):
        raise TypeError(
            f"A {kind} is a name ({', '.join(sorted(names))}) or an object with the methods "
            f"{', '.join(methods)}; received {identifier!r}."
        )
    return identifier
