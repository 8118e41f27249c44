"""The rules of the house: what may import what, how long files are, what is asked of objects."""

import ast
from pathlib import Path

import pytest

import keras_vae

PACKAGE = Path(keras_vae.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# From the ground up: a room imports those of its own floor and below.
FLOORS = [
    {"version", "typing", "validation", "numerics"},
    {"backend", "reading"},
    {"saving", "distributions", "datasets"},
    {
        "schedules",
        "networks",
        "conditions",
        "encoders",
        "posteriors",
        "priors",
        "likelihoods",
        "objectives",
    },
    {"training", "evaluation", "export", "serving"},
    {"model"},
    {"callbacks", "plots", "cli", "estimators"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# What handles foreign objects: users' data, networks, callbacks and optimizers, and Keras.
FOREIGN = {
    "backend/keras_internals.py",
    "backend/torch_tape/marks.py",
    "conditions/two_inputs.py",
    "cli/app.py",
    "encoders/base.py",
    "model/connect.py",
    "objectives/loss_weight.py",
    "reading/forms.py",
    "reading/lazy_rows.py",
    "reading/streams.py",
    "training/last_batch.py",
    "training/policy.py",
    "training/step_callbacks.py",
}


def name_of(file):
    return str(file.relative_to(PACKAGE))


def room_of(file):
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(file):
    """The rooms that a file imports, but for what only a type checker does."""
    tree = ast.parse(file.read_text())
    skipped = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in skipped:
            package, *rest = (node.module or "").split(".")
            if package == "keras_vae":
                yield from rest[:1] or [alias.name for alias in node.names]


def test_imports_run_downwards():
    inside = [file for file in FILES if file.parent != PACKAGE or file.stem == "schedules"]
    assert {room_of(file) for file in inside} <= FLOOR.keys()
    upwards = {
        f"{name_of(file)} imports {room}"
        for file in inside
        for room in imports(file)
        if FLOOR[room] > FLOOR[room_of(file)]
    }
    assert not upwards


def test_no_file_is_long():
    lengths = {name_of(file): len(file.read_text().splitlines()) for file in FILES}
    assert not {name: n for name, n in lengths.items() if n > 300}


def test_only_foreign_objects_are_probed():
    probing = set()
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                is_probe = (node.func.id, len(node.args)) in (("hasattr", 2), ("getattr", 3))
                if is_probe:
                    probing.add(name_of(file))
    assert probing <= FOREIGN


@pytest.mark.parametrize("module", ["tensorflow", "jax", "torch"])
def test_backends_are_imported_where_they_are_used(module):
    """At the top of a file only in the folder of backends, as a user has one of them."""
    for file in FILES:
        if room_of(file) != "backend":
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.Import):
                    assert module not in [alias.name.split(".")[0] for alias in node.names], file
