"""ExportFormat: what every format to serve a VAE in follows."""

import abc
import contextlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from keras_vae import backend
from keras_vae.export.endpoints import EndpointModel, ExportError, endpoints


class ExportFormat(abc.ABC):
    """A format that a VAE is exported in.

    A new one is a class in a file of this folder, and a line in `FORMATS` of its
    `__init__`. One that holds a function a file inherits from `FileFormat` instead.

    Attributes:
        name: what `VAE.export(format=...)` takes.
        title: what it is called in sentences.
        packages: by backend that can write it, the modules to be installed.
        draws: whether it can hold functions that draw random numbers by seed.
        quantizes: the backends from which it can keep numbers in fewer bits.
        wrote: names of what it writes into a folder.
    """

    name: str
    title: str
    packages: ClassVar[dict[str, tuple[str, ...]]]
    draws = False
    quantizes: tuple[str, ...] = ()
    wrote: tuple[str, ...] = ()

    @abc.abstractmethod
    def export(self, vae, path: Path, endpoint: str, draws: bool, quantization) -> dict[str, float]:
        """Writes a built VAE to `path`.

        Args:
            vae: the VAE.
            path: what to write.
            endpoint: the function that a single file holds.
            draws: whether to write functions that draw, where the format `draws`.
            quantization: a `Quantization`, where the format `quantizes`, or `None`.

        Returns:
            The largest difference of each endpoint written from the model, by name.
        """

    def owns(self, name: str) -> bool:
        """Returns whether the format may have written a file or folder of this name."""
        return name in self.wrote

    def require(self) -> None:
        """Checks that this backend writes the format, and that what it takes is installed.

        Raises:
            ExportError: if it does not.
            ImportError: if a package is missing.
        """
        if backend.NAME not in self.packages:
            raise ExportError(
                f"The {backend.NAME} backend cannot write {self.title}. Instead, "
                f"{self._elsewhere()}."
            )
        modules = self.packages[backend.NAME]
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        if missing:
            packages = " ".join(module.replace("_", "-") for module in missing)
            raise ImportError(
                f"Exporting {self.title} from this backend needs: pip install {packages}"
            )

    def _others(self):
        return " or ".join(name for name in self.packages if name != backend.NAME)

    def _elsewhere(self):
        return (
            'save the model with vae.save("vae.keras"), and load and export it in a process with '
            f"KERAS_BACKEND={self._others()}"
        )

    @contextlib.contextmanager
    def refusal(self, what: str) -> Iterator[None]:
        """Turns the error of a converter or a runtime into one that says what to do.

        Args:
            what: what is written, as the error calls it.

        Raises:
            ExportError: in place of any error but those of a missing package or of the disk.
        """
        try:
            yield
        except (ExportError, ImportError, OSError):
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            ways = [self._elsewhere()] if self._others() else []
            raise ExportError(
                f"The {backend.NAME} backend cannot write {what} as {self.title}: "
                f"{type(error).__name__}: {reason}\n"
                f"Instead, {', or '.join([*ways, 'take another format'])}. "
                "endpoint=... writes one function alone."
            ) from error


class FileFormat(ExportFormat):
    """A format of which a file holds one function: a subclass defines `write`.

    Attributes:
        suffix: of the files, with its dot.
    """

    suffix: str

    @abc.abstractmethod
    def write(self, model: EndpointModel, path: str, quantization: Any = None) -> float:
        """Writes a function of the model as a file, and checks it.

        Returns:
            The largest difference of what the file computes from the model.
        """

    def owns(self, name) -> bool:
        return name.endswith(self.suffix)

    def export(self, vae, path, endpoint, draws, quantization) -> dict[str, float]:
        known = endpoints(vae)
        if endpoint not in known:
            names = ", ".join(map(repr, known))
            raise ValueError(f"Unknown endpoint {endpoint!r}. Known: {names}.")
        paths = {endpoint: str(path)}
        if not str(path).endswith(self.suffix):
            os.makedirs(path, exist_ok=True)
            paths = {name: os.path.join(path, name + self.suffix) for name in known}
        differences = {}
        for name, file in paths.items():
            with self.refusal(f"`{name}`"):
                differences[name] = self.write(EndpointModel(vae, known[name]), file, quantization)
        return differences
