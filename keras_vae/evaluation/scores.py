"""Scores: numbers by name that print as a table."""

from collections.abc import Mapping


class Scores(dict):
    """A dict of numbers; `print` shows it as a table.

    Args:
        values: the numbers by name.
        says: by name what a number says, in a few words.
    """

    def __init__(self, values: Mapping[str, float], says: Mapping[str, str]):
        super().__init__(values)
        self.says = dict(says)

    def __str__(self) -> str:
        width = max(map(len, self), default=0)
        lines = [f"{name:<{width}}  {self[name]:7.4f}  {self.says.get(name, '')}" for name in self]
        return "\n".join(line.rstrip() for line in lines)
