"""The app: its commands, and one line in place of a traceback for what is given wrongly."""

import inspect
from typing import Annotated

import typer

from keras_vae.cli import console
from keras_vae.cli.detect import detect
from keras_vae.cli.evaluate import evaluate
from keras_vae.cli.export import export
from keras_vae.cli.impute import impute
from keras_vae.cli.serve import serve
from keras_vae.cli.train import train
from keras_vae.version import __version__

HELP = """Variational autoencoders from the terminal.

[bold]Train[/] one, say what it is [bold]worth[/], [bold]find[/] what is odd or [bold]fill[/] holes
in data by it, [bold]export[/] it, [bold]serve[/] it:

  keras-vae train --data sprites --output runs/first
  keras-vae evaluate runs/first/vae.keras sprites
  keras-vae detect vae.keras new.npy --calibration usual.npy
  keras-vae impute vae.keras table.csv --out filled.csv
  keras-vae export runs/first/vae.keras served --format onnx
  keras-vae serve served

keras-vae COMMAND --help says more, with examples."""

# What our own checks raise, and the data and packages that are given.
MISTAKES = (ValueError, TypeError, OSError, ImportError, RuntimeError)
INTERRUPTED = 130  # what typer makes of Ctrl-C


def _flowing(text: str) -> str:
    """Returns a help text whose paragraphs are as wide as the terminal, but for examples."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(p if p.startswith(" ") else " ".join(p.split("\n")) for p in paragraphs)


app = typer.Typer(
    name="keras-vae",
    help=HELP,
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (train, evaluate, detect, impute, export, serve):
    app.command(help=_flowing(command.__doc__ or ""), no_args_is_help=command is not train)(command)


def _print_version(wanted: bool):
    if wanted:
        typer.echo(f"keras_vae {__version__}")
        raise typer.Exit


@app.callback()
def options(
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where in the code an error comes from.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_print_version)
    ] = False,
) -> None:
    """Takes the options that stand before the command."""
    console.tracebacks = traceback


def run(arguments: list[str]) -> int:
    """Runs the command and returns its exit status.

    0: done, 2: something is given wrongly, which one line says, 130: interrupted.
    """
    console.tracebacks = False
    console.one_line_warnings()
    try:
        status = app(args=arguments, prog_name="keras-vae", standalone_mode=False) or 0
    except typer.TyperException as error:
        if error.format_message():  # else a command alone, whose help was shown
            message = error.format_message()
            end = "" if message.endswith((".", "?")) else "."
            console.error(f"{message}{end} See {_path(error)} --help.")
        status = 2
    except MISTAKES as error:
        if console.tracebacks:
            raise
        console.error(str(error) or type(error).__name__)
        status = 2
    if status == INTERRUPTED:
        console.error("interrupted")
    return status


def _path(error):
    context = getattr(error, "ctx", None)
    return context.command_path if context else "keras-vae"
