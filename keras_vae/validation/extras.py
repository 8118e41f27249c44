"""Packages that not every installation has."""

import importlib
from types import ModuleType


def require(module: str, extra: str, what: str) -> ModuleType:
    """Returns a module of a package that comes with an extra of this one.

    Args:
        module: its name, such as `"sklearn.svm"`.
        extra: the extra that brings it, such as `"sklearn"`.
        what: what needs it, for the error.

    Raises:
        ImportError: if it is missing, with what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f'{what} needs {package}, which is missing: pip install "keras-vae[{extra}]".'
        ) from error
