"""Says which packages an export needs, before it begins."""

import importlib.util


def require(what: str, *modules: str) -> None:
    """Raises an ImportError that says what to install if one of `modules` is missing."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        packages = " ".join(module.replace("_", "-") for module in missing)
        raise ImportError(f"Exporting {what} from this backend needs: pip install {packages}")
