"""Writes the shelf of docs/models.md, from the parts' names and the first line of their docstrings.

The names alone go to keras_vae/cli/part_names.py, as the help has to know them without Keras.
Run it after a new part: .venv/bin/python scripts/shelf.py
"""

import inspect
import re
from pathlib import Path

import keras

import keras_vae as kv

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "models.md"
NAMES_FILE = ROOT / "keras_vae" / "cli" / "part_names.py"
SHELF = re.compile(r"(?<=<!-- The shelf, by scripts/shelf.py -->\n).*?(?=<!-- -->)", re.DOTALL)


def shelf() -> str:
    """Returns the tables of all parts, in the order of the data."""
    layer, penalty = keras.layers.Layer, kv.objectives.Penalty
    objective = kv.objectives.Objective
    return "".join(
        [
            _table("Posteriors", "posteriors", layer),
            _table("Priors", "priors", layer),
            _table("Likelihoods", "likelihoods", layer, ("params per feature", _params)),
            _table("Objectives", "objectives", objective, ("own terms in the logs", _terms)),
            _table("Penalties", "objectives", penalty, ("own terms in the logs", _terms)),
            _table("Networks", "networks", layer),
        ]
    )


def names_file() -> str:
    """Returns the text of the module of the parts' names."""
    lines = [
        '"""The names of the parts by folder, for the help of the command; by scripts/shelf.py."""',
        "",
        "NAMES = {",
    ]
    for folder in ("likelihoods", "priors", "posteriors", "objectives"):
        names = getattr(kv, folder).NAMES
        lines += [f'    "{folder}": [', *(f'        "{name}",' for name in names), "    ],"]
    return "\n".join([*lines, "}", ""])


def _table(title, folder, base, column=None):
    """Returns the table of the parts of a folder that are of a class.

    Those with a name come first. The abstract ones are there to be inherited from, and left out.
    """
    room = getattr(kv, folder)
    names = {cls: name for name, cls in getattr(room, "NAMES", {}).items()}
    classes = [cls for cls in vars(room).values() if inspect.isclass(cls)]
    parts = [
        cls
        for cls in sorted(classes, key=lambda cls: (names.get(cls, "~"), *_in_order(cls.__name__)))
        if issubclass(cls, base) and not (cls is base or inspect.isabstract(cls))
    ]
    columns = [("class", lambda cls: _link(folder, cls)), ("is", _first_line)]
    if not names.keys().isdisjoint(parts):
        columns.insert(0, ("name", lambda cls: f'`"{names[cls]}"`' if cls in names else ""))
    if column:
        columns.append(column)
    rows = [[head for head, _ in columns], ["---"] * len(columns)]
    rows += [[cell(cls) for _, cell in columns] for cls in parts]
    return f"\n### {title}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _in_order(name):
    return not name.isupper(), name  # as ruff sorts names: those in capitals first


def _link(folder, cls):
    return f"[`{cls.__name__}`](reference/{folder}.md#keras_vae.{folder}.{cls.__name__})"


def _first_line(cls):
    return inspect.getdoc(cls).partition("\n\n")[0].replace("\n", " ").replace("|", r"\|")


def _params(cls):
    return str(cls().params_per_feature) if cls in kv.likelihoods.NAMES.values() else ""


def _terms(cls):
    names = cls.term_names if issubclass(cls, kv.objectives.Penalty) else cls().own_terms
    return ", ".join(f"`{name}`" for name in names)


def write() -> None:
    """Puts the shelf into its page, and the names into their file."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(SHELF.sub(lambda _: shelf(), text), encoding="utf-8")
    NAMES_FILE.write_text(names_file(), encoding="utf-8")


if __name__ == "__main__":
    write()
