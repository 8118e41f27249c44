"""RunConfig: all that decides what a run of `keras-vae train` computes, and its file."""

import json
import math
import tomllib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from keras_vae.version import __version__


@dataclass(frozen=True)
class RunConfig:
    """What to train, on what and for how long; `None` is to be chosen by the data.

    Raises:
        ValueError: if a value is of the wrong type or size.
    """

    data: str = "sprites"
    array: str | None = None
    condition: str | None = None
    labels: str | None = None
    backend: str | None = None
    likelihood: str | None = None
    sigma: float | str | None = None
    prior: str = "standard_normal"
    posterior: str = "diagonal_normal"
    objective: str = "elbo"
    beta: float | None = None
    latent_dim: int = 10
    network: str | None = None
    layers: tuple[int, ...] | None = None
    epochs: int = 14
    batch_size: int = 64
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                check(field.name, value)
            elif field.default is not None:
                raise ValueError(f"{field.name} must be given; leave it out for {field.default!r}.")
        if self.layers is not None:
            object.__setattr__(self, "layers", tuple(self.layers))  # a file gives a list

    def changed(self, **options) -> "RunConfig":
        """Returns the config with those options that are not `None` in place of its own."""
        return replace(self, **{k: v for k, v in options.items() if v is not None})

    def write(self, path: Path) -> None:
        """Writes a TOML file that `read` gives back."""
        lines = [
            f"# A run of keras_vae {__version__}: keras-vae train --config {path.name} repeats it.",
            *(f"{k} = {_toml(v)}" for k, v in asdict(self).items() if v is not None),
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value):
    value = list(value) if isinstance(value, tuple) else value
    return json.dumps(value, ensure_ascii=False)  # as TOML writes texts, numbers and lists of them


def read(path: Path) -> RunConfig:
    """Reads a `.toml` or `.json` file of options.

    Raises:
        ValueError: if it is neither, or holds an unknown option or a wrong value.
        OSError: if it cannot be read.
    """
    readers = {".toml": tomllib.loads, ".json": json.loads}
    if path.suffix not in readers:
        raise ValueError(f"{path} is neither a .toml nor a .json file.")
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}; give the config.toml of a run.")
    try:
        found = readers[path.suffix](path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no {path.suffix[1:].upper()}: {error}") from None
    known = [field.name for field in fields(RunConfig)]
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold options by name, such as latent_dim.")
    if unknown := [name for name in found if name not in known]:
        raise ValueError(f"{path} has an unknown option {unknown[0]!r}. Known: {', '.join(known)}.")
    try:
        return RunConfig(**found)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def check(name: str, value) -> None:
    """Raises a ValueError if an option is not of its type, or out of bounds."""
    if name in ("latent_dim", "epochs", "batch_size") and not _is_count(value):
        raise ValueError(f"{name} must be a whole number of at least 1; received {value!r}.")
    if name == "layers" and not (
        isinstance(value, (list, tuple)) and value and all(map(_is_count, value))
    ):
        raise ValueError(f"layers must be whole numbers, such as 32,64; received {value!r}.")
    if name == "seed" and not (_is_count(value) or (value == 0 and value is not False)):
        raise ValueError(f"seed must be a whole number of at least 0; received {value!r}.")
    if name == "learning_rate" and not (_is_number(value) and value > 0):
        raise ValueError(f"learning_rate must be finite and above 0; received {value!r}.")
    if name == "beta" and not (_is_number(value) and value >= 0):
        raise ValueError(f"beta must be finite and not negative; received {value!r}.")
    if name == "sigma" and not (isinstance(value, str) or _is_number(value)):
        raise ValueError(f"sigma must be a number or a name; received {value!r}.")
    if name == "network" and value not in ("conv", "dense"):
        raise ValueError(f"network must be conv or dense; received {value!r}.")
    texts = ("data", "array", "condition", "labels", "backend", "likelihood", "prior",
             "posterior", "objective")  # fmt: skip
    if name in texts and not (isinstance(value, str) and value):
        raise ValueError(f"{name} must be a name; received {value!r}.")


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
