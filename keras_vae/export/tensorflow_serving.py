"""TensorFlowServing: a SavedModel as TensorFlow Serving looks for it."""

import os
from pathlib import Path

from keras_vae.export.saved_model import SavedModel

CONFIG = """\
# tensorflow_model_server --model_config_file=/models/models.config, this folder being /models
model_config_list {
  config {
    name: "vae"
    base_path: "/models/vae"
    model_platform: "tensorflow"
  }
}
"""


class TensorFlowServing(SavedModel):
    """A folder with `models.config`, and the SavedModel as version 1 of the model `vae`.

    Functions are its signatures: a request names one by `signature_name`.
    """

    name = "tensorflow_serving"
    title = "a folder for TensorFlow Serving"
    wrote = ("models.config", "vae")

    def export(self, vae, path, endpoint, draws, quantization) -> dict[str, float]:
        version = os.path.join(path, "vae", "1")
        os.makedirs(version)
        Path(path, "models.config").write_text(CONFIG)
        return super().export(vae, version, endpoint, draws, quantization)
