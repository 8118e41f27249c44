"""The three backends are modules of one face."""

import ast
import inspect
from pathlib import Path

import keras_vae
from keras_vae import backend

FOLDER = Path(backend.__file__).parent
NAMES = ("tensorflow", "jax", "torch")


def face(name):
    """The arguments of each public function of a backend; `None` for its constants and lacks.

    Read, not imported, as a user has one of the three installed.
    """
    found = {}
    for file in sorted(FOLDER.glob(f"{name}*.py"), reverse=True):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                found[node.name] = ast.unparse(node.args)
            if isinstance(node, ast.Assign):
                found.update((t.id, None) for t in node.targets if not t.id.startswith("_"))
    return found


def test_the_backends_have_the_same_names():
    own = vars(backend._chosen)
    public = {name for name, thing in vars(backend).items() if own.get(name) is thing}
    public = {n for n in public if not n.startswith("_") and not inspect.ismodule(own[n])}
    public -= {"Tensor"}  # a type, which annotations name
    assert len(public) > 15
    for name in NAMES:
        assert public <= face(name).keys(), name


def test_the_backends_have_the_same_arguments():
    tensorflow, jax, torch = map(face, NAMES)
    for name in tensorflow.keys() & jax.keys():
        assert tensorflow[name] == jax[name], name
    for name in tensorflow.keys() & torch.keys():
        same = torch[name] == tensorflow[name]
        assert same or None in (torch[name], tensorflow[name]), name


def test_nothing_else_asks_keras_which_backend_runs():
    package = Path(keras_vae.__file__).parent
    chooses = package / "cli" / "package.py"  # before Keras is imported
    for file in package.rglob("*.py"):
        if FOLDER not in file.parents and file != chooses:
            assert "backend.backend()" not in file.read_text(), file
