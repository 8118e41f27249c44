"""The terminal: where the command prints, and how it says what is wrong."""

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
tracebacks = False  # set by --traceback


def error(message: str) -> None:
    """Prints what is wrong and what to do, in one line, which no terminal breaks up."""
    line = Text("keras-vae: ", style="bold red").append(" ".join(message.split()), style="default")
    err.print(line, soft_wrap=True)


def note(message: str) -> None:
    """Prints what went otherwise than one may expect."""
    out.print(Text(message, style="yellow"))


def one_line_warnings() -> None:
    """Lets warnings say what they have to say without the line of code that they come from."""
    warnings.showwarning = lambda message, *_, **__: note(f"Warning: {message}")


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Holds back what is written to stderr, by C++ too, and shows it only if the block fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            os.write(kept, file.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


def table(title: str, rows: list[tuple[str, str, str]]) -> None:
    """Prints a title and rows of a name, a value and what it means."""
    grid = Table(box=None, pad_edge=False, show_header=False)
    grid.add_column()
    grid.add_column(justify="right", style="bold")
    grid.add_column(style="dim")
    for row in rows:
        grid.add_row(*row)
    out.print()
    out.print(Text(title, style="bold"))
    out.print(grid)
