"""Comparison of shapes that may have unknown sizes."""


def matches(shape, expected) -> bool:
    """Returns whether two shapes agree wherever both sizes are known."""
    return len(shape) == len(expected) and all(
        a == b or a is None or b is None for a, b in zip(shape, expected, strict=True)
    )
