"""Triton: ONNX files as the Triton Inference Server looks for them."""

import os
from pathlib import Path

from keras_vae.export.endpoints import EndpointModel, endpoints
from keras_vae.export.onnx import ONNX

MAX_BATCH_SIZE = 64
PREFIX = "vae_"


class Triton(ONNX):
    """A model repository: for each function a model `vae_<function>` of version 1.

    Triton joins requests of several clients to one call (`dynamic_batching`).
    """

    name = "triton"
    title = "a model repository for Triton"

    def owns(self, name) -> bool:
        return name.startswith(PREFIX)

    def export(self, vae, path, endpoint, draws, quantization) -> dict[str, float]:
        differences = {}
        for name, written in endpoints(vae).items():
            folder = os.path.join(path, PREFIX + name)
            file = os.path.join(folder, "1", "model.onnx")
            os.makedirs(os.path.dirname(file))
            with self.refusal(f"`{name}`"):
                differences[name] = self.write(EndpointModel(vae, written), file)
            Path(folder, "config.pbtxt").write_text(config(PREFIX + name, file))
        return differences


def config(name: str, file: str) -> str:
    """Returns the configuration of the model `name` in an ONNX file."""
    import onnx

    graph = onnx.load(file).graph
    tensors = [("input", value) for value in graph.input]
    tensors += [("output", value) for value in graph.output]
    return "".join(
        [
            f'name: "{name}"\nbackend: "onnxruntime"\nmax_batch_size: {MAX_BATCH_SIZE}\n',
            *(f"{kind} {{ {_tensor(value)} }}\n" for kind, value in tensors),
            "dynamic_batching { }\n",
        ]
    )


def _tensor(value):
    """Returns what the configuration says of an input or output, without the batch."""
    import onnx

    kind = value.type.tensor_type
    types = {onnx.TensorProto.FLOAT: "TYPE_FP32", onnx.TensorProto.INT32: "TYPE_INT32"}
    dims = [dim.dim_value or -1 for dim in kind.shape.dim[1:]]
    # Triton knows no tensor without dimensions.
    sizes = f"dims: {dims}" if dims else "dims: [1] reshape { shape: [] }"
    return f'name: "{value.name}" data_type: {types[kind.elem_type]} {sizes}'
