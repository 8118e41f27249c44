"""./scripts/test: it runs every backend whatever fails, and says what failed where."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch" or not shutil.which("bash"),
    reason="does not depend on the backend",
)
TESTS = """
import os

import pytest

BACKEND = os.environ["KERAS_BACKEND"]

@pytest.mark.parametrize("case", ["a b"])
def test_one(case):
    assert BACKEND != "tensorflow"

def test_two():
    pass

@pytest.fixture
def broken():
    assert BACKEND != "jax"

def test_three(broken):
    pass

@pytest.mark.skipif(BACKEND == "torch", reason="another's")
def test_four():
    pass

if BACKEND == "torch":
    def test_of_torch():
        pass
"""


@pytest.fixture
def project(tmp_path):
    """A project of these scripts with tests of its own, in a folder with spaces."""
    root = tmp_path / "a project"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "-q"\n')
    (root / "tests").mkdir()
    (root / "tests" / "test_some.py").write_text(TESTS)
    commands = root / ".venv" / "bin"
    commands.mkdir(parents=True)
    for name, text in {
        "python": f'exec "{sys.executable}" "$@"',
        "ruff": 'exit "${RUFF_STATUS:-0}"',
        "mypy": 'exit "${MYPY_STATUS:-0}"',
    }.items():
        (commands / name).write_text(f"#!/bin/sh\n{text}\n")
        (commands / name).chmod(0o755)
    installed = [root / "pyproject.toml", root / "scripts" / "constraints.txt"]
    stamp = "".join(path.read_text() for path in installed)
    (root / ".venv" / ".installed-dev").write_text(stamp)
    (root / ".venv" / "web" / "node_modules" / "onnxruntime-web").mkdir(parents=True)
    return root


def run(project, *arguments, **variables):
    """Returns the exit status, the output before the summary and the summary, from afar."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("KERAS", "PYTEST"))}
    command = [project / "scripts" / "test", "-n", "0", "-p", "no:cacheprovider", *arguments]
    process = subprocess.run(
        command,
        cwd=project.parent,
        env=environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output, _, summary = process.stdout.partition("== summary\n")
    return process.returncode, output, summary.splitlines()


def test_a_backend_that_fails_stops_no_other(project):
    status, output, summary = run(project)
    assert status != 0
    for backend in ("tensorflow", "jax", "torch"):
        assert f"== {backend}\n" in output
    assert output.count("1 failed, 3 passed") == 1  # the closing lines of pytest itself
    assert summary == [
        "style: passed",
        "tensorflow: 1 failed, 3 passed; pytest ended with exit status 1",
        "  tests/test_some.py::test_one[a b]",
        "jax: 1 failed, 3 passed; pytest ended with exit status 1",
        "  tests/test_some.py::test_three",
        "torch: 4 passed, 1 skipped",
    ]


@pytest.mark.parametrize("tool", ["RUFF", "MYPY"])
def test_a_fault_of_style_stops_no_test_but_fails(project, tool):
    status, _, summary = run(project, "-k", "two", **{f"{tool}_STATUS": "1"})
    assert status != 0
    passed = [f"{backend}: 1 passed" for backend in ("tensorflow", "jax", "torch")]
    assert summary == ["style: failed", *passed]


def test_a_selection_needs_tests_on_one_backend_only(project):
    status, _, summary = run(project, "-k", "of_torch")
    nothing = [f"{backend}: no tests selected" for backend in ("tensorflow", "jax")]
    assert summary == ["style: passed", *nothing, "torch: 1 passed"]
    assert status == 0
    status, _, summary = run(project, "-k", "nowhere")
    assert summary[-1] == "No test ran on any backend."
    assert status != 0
    status, _, summary = run(project, "-k", "two", KERAS_BACKEND="jax")
    assert (status, summary) == (0, ["style: passed", "jax: 1 passed"])


def test_a_backend_that_does_not_get_to_its_tests_fails(project):
    text = (project / "tests" / "test_some.py").read_text()
    dies = 'os.environ["KERAS_BACKEND"]\nif BACKEND == "jax":\n    os._exit(7)\n'
    broken = 'if BACKEND == "tensorflow":\n    raise ImportError\n'
    text = text.replace('os.environ["KERAS_BACKEND"]\n', dies + broken, 1)
    (project / "tests" / "test_some.py").write_text(text)
    status, _, summary = run(project, "-k", "two")
    assert status != 0
    assert summary[1].startswith("tensorflow: 1 failed; pytest ended with exit status")
    assert summary[-2:] == [
        "jax: no report; pytest ended with exit status 7",
        "torch: 1 passed",
    ]
