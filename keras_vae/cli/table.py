"""Table: the cells of a `.csv` file, as texts."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_vae.cli.beside import number


class Table(NamedTuple):
    """The lines of a `.csv` file.

    Attributes:
        header: the names of the columns, `None` where the file has none.
        lines: the cells of each row.
        delimiter: what stands between cells.
    """

    header: list[str] | None
    lines: list[list[str]]
    delimiter: str

    @property
    def names(self) -> list[str]:
        """What the columns are called."""
        if self.header is not None:
            return self.header
        return [f"column {i + 1}" for i in range(len(self.lines[0]))]

    def filled(self, x: np.ndarray, left_out: tuple[str | None, ...]) -> "Table":
        """Returns the table with the numbers of x in cells that are missing; others stay as texts.

        Args:
            x: the columns but for those left out, `(rows, columns)`.
            left_out: names of columns that are no part of x.
        """
        columns = [i for i, name in enumerate(self.names) if name not in left_out]
        lines = [list(line) for line in self.lines]
        for line, numbers in zip(lines, x, strict=True):
            for i, value in zip(columns, numbers, strict=True):
                known = number(line[i])
                if known is not None and np.isnan(known):
                    line[i] = f"{value:.7g}"
        return self._replace(lines=lines)

    def write(self, path: Path) -> None:
        """Writes the table, the names of columns first where there are any."""
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=self.delimiter, lineterminator="\n")
            writer.writerows([*([] if self.header is None else [self.header]), *self.lines])


def read(path: Path) -> Table:
    """Returns the cells of a file; a first line that holds a text has the names of the columns.

    Raises:
        ValueError: if it is empty, or a line is longer than others.
    """
    text = path.read_text(encoding="utf-8-sig")
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    lines = [line for line in csv.reader(text.splitlines(), delimiter=delimiter) if line]
    header, width = None, len(lines[0]) if lines else 0
    if lines and any(number(cell) is None for cell in lines[0]):
        header = lines.pop(0)
    if not lines:
        raise ValueError(f"{path} holds no rows.")
    first = 1 if header is None else 2
    for i, line in enumerate(lines):
        if len(line) != width:
            raise ValueError(f"{path}, row {i + first} has {len(line)} cells, not {width}.")
    return Table(header, lines, delimiter)
