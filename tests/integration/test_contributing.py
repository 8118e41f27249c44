"""The parts that CONTRIBUTING.md shows keep the contracts of their kinds, by the tests it shows.

The page itself runs in `test_docs.py`.
"""

import importlib.util
import re
import tempfile
from pathlib import Path

import keras

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
_FOLDER = tempfile.TemporaryDirectory()  # as long as the tests run


def module_of_the_page():
    """Imports what the page defines, which is not what it does with it, from one file."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    file = Path(_FOLDER.name, "contributing.py")
    file.write_text("\n".join(b for b in blocks if "\nclass " in b), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("contributing", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if keras.backend.backend() == "torch":  # one backend is enough to show that the code is right
    for name, value in vars(module_of_the_page()).items():
        if name.startswith(("Test", "test_")):
            globals()[name] = value
