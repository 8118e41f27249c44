"""BrowserPage: a page in which sliders move the code, and the model runs in the browser."""

import json
import math
import os
import shutil
from pathlib import Path

from keras_vae.export.endpoints import EndpointModel, ExportError, endpoints
from keras_vae.export.onnx import ONNX

FILES = Path(__file__).parent / "browser"
MOST_SLIDERS = 100


class BrowserPage(ONNX):
    """A folder with a page, `encode.onnx` and `decode.onnx`, to be put on any web server.

    The page runs them by onnxruntime-web, whose `dist` folder is to be put beside it as `runtime`.
    """

    name = "page"
    title = "a page for browsers"
    wrote = (
        "index.html",
        "page.js",
        "model.json",
        "encode.onnx",
        "decode.onnx",
        "runtime",
    )

    def owns(self, name) -> bool:
        return name in self.wrote

    def export(self, vae, path, endpoint, draws, quantization) -> dict[str, float]:
        if vae.input_features != vae.target_features or not _is_image(vae.target_features):
            raise ExportError(
                f"The page draws images, (height, width), with 1 or 3 channels, or vectors; the "
                f"model takes {vae.input_features} and gives {vae.target_features}."
            )
        known = {name: endpoints(vae)[name] for name in ("encode", "decode")}
        inputs = {**known["decode"].inputs, **known["encode"].inputs}
        sliders = sum(math.prod(shape) for shape in known["decode"].inputs.values())
        if sliders > MOST_SLIDERS:
            raise ExportError(
                f"The page has a slider for each number of a code, at most {MOST_SLIDERS}; the "
                f"model has {sliders}. Export to ONNX, and make a page of your own."
            )
        os.makedirs(path, exist_ok=True)
        differences = {}
        for name, written in known.items():
            with self.refusal(f"`{name}`"):
                file = os.path.join(path, f"{name}.onnx")
                differences[name] = self.write(EndpointModel(vae, written), file)
        dtypes = {n: e.dtype(n) for e in known.values() for n in e.inputs}
        about = {
            "features": vae.target_features,
            "inputs": {n: {"shape": s, "dtype": dtypes[n]} for n, s in inputs.items()},
        }
        Path(path, "model.json").write_text(json.dumps(about, indent=1))
        for name in ("index.html", "page.js"):
            shutil.copy(FILES / name, path)
        return differences


def _is_image(features):
    return len(features) in (1, 2) or (len(features) == 3 and features[-1] in (1, 3))
