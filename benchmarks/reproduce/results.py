"""What was found so far, a file for each case and seed, so that a killed run goes on."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import keras


class Results:
    """The results of one row under one set of options, in a folder.

    Args:
        folder: of the row.
        options: what changes the figures, such as the number of epochs. Results of other options
            lie beside these and are not mixed with them.
    """

    def __init__(self, folder: Path, options: dict):
        self.folder = folder / "-".join(f"{name}_{value}" for name, value in options.items())
        self.folder.mkdir(parents=True, exist_ok=True)

    def working_folder(self, case: str, seed: int) -> Path:
        """Returns the folder of the checkpoints of a case."""
        return self.folder / f"{_plain(case)}-{seed}"

    def get(self, case: str, seed: int) -> dict | None:
        """Returns what was found, or `None`."""
        path = self._path(case, seed)
        return json.loads(path.read_text()) if path.exists() else None

    def measure(self, case: str, seed: int, run: Callable[[str, int, Path], dict]) -> dict:
        """Returns what was found, running what is missing.

        Args:
            case: name of what is compared.
            seed: of everything random.
            run: from case, seed and the working folder to figures by their names.
        """
        found = self.get(case, seed)
        if found is None:
            folder = self.working_folder(case, seed)
            folder.mkdir(exist_ok=True)
            watch = Stopwatch(folder)
            keras.utils.set_random_seed(seed)
            figures = run(case, seed, folder)
            found = {"figures": figures, "minutes": watch.minutes(), **origin()}
            partial = self._path(case, seed).with_suffix(".part")
            partial.write_text(json.dumps(found, indent=1))
            partial.replace(self._path(case, seed))
        return found

    def _path(self, case: str, seed: int) -> Path:
        return self.folder / f"{_plain(case)}-{seed}.json"


class Stopwatch(keras.callbacks.Callback):
    """The minutes that a case took, those before it was killed included.

    As a callback it notes them after each epoch; those of an epoch that a kill cut off are lost.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self._path = folder / "minutes"
        self._before = float(self._path.read_text()) if self._path.exists() else 0.0
        self._start = time.perf_counter()

    def minutes(self) -> float:
        return self._before + (time.perf_counter() - self._start) / 60

    def on_epoch_end(self, epoch, logs=None) -> None:
        self._path.write_text(str(self.minutes()))


def origin() -> dict:
    """Returns date, commit, backend and device of a figure."""
    head = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    said = subprocess.run(head, capture_output=True, text=True, check=False)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": said.stdout.strip() or "unknown",
        "backend": f"{keras.backend.backend()}, {_device()}",
    }


def _device() -> str:
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return keras.distribution.list_devices()[0].partition(":")[0].upper()


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)
