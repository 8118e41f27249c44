"""ONNX: the format of ONNX Runtime and of most hardware vendors."""

import warnings
from typing import ClassVar

from keras_vae.export.base import FileFormat
from keras_vae.export.onnx_operations import teach_operations


class ONNX(FileFormat):
    """A file `.onnx` with named inputs and outputs, of any batch size."""

    name = "onnx"
    title = "ONNX"
    packages: ClassVar = {
        "tensorflow": ("onnx", "onnxruntime", "tf2onnx"),
        "jax": ("onnx", "onnxruntime", "jax2onnx"),
        "torch": ("onnx", "onnxruntime"),
    }
    suffix = ".onnx"

    def write(self, model, path, quantization=None) -> float:
        import onnxruntime

        endpoint = model.endpoint
        teach_operations()
        with warnings.catch_warnings():
            # Of what tracing takes for constant, which the check below would find.
            warnings.simplefilter("ignore")
            model.export(
                path, format="onnx", verbose=False, input_signature=model.input_signature()
            )
        _name(path, list(endpoint.inputs), model.output_names)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

        def run(*arrays):
            return session.run(None, dict(zip(endpoint.inputs, arrays, strict=True)))

        return endpoint.largest_difference(run, batch_sizes=(1, 3))


def _name(path, input_names, output_names):
    """Gives the inputs and outputs of the file their names, and the batch its own."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    names = {value.name: value.name for value in graph.input}
    if len(input_names) == 1:
        names = {graph.input[0].name: input_names[0]}
    names |= {value.name: name for value, name in zip(graph.output, output_names, strict=True)}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*graph.input, *graph.output):
        value.name = names[value.name]
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.checker.check_model(model)
    onnx.save(model, path)
