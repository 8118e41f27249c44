"""ONNX: the format of ONNX Runtime and of most hardware vendors."""

import warnings

from keras_vae.backend import BACKEND
from keras_vae.export.endpoints import EndpointModel
from keras_vae.export.onnx_operations import teach_operations
from keras_vae.export.requirements import require

_CONVERTERS = {"tensorflow": ("tf2onnx",), "jax": ("jax2onnx",), "torch": ()}


def write_onnx(model: EndpointModel, path: str) -> float:
    """Writes `model` with named inputs and outputs, of any batch size, and checks the file.

    Returns:
        The largest difference of what ONNX Runtime computes from the model.

    Raises:
        ImportError: if the converter of the backend or ONNX Runtime is missing.
    """
    require("ONNX", "onnx", "onnxruntime", *_CONVERTERS[BACKEND])
    import onnxruntime

    endpoint = model.endpoint
    teach_operations()
    with warnings.catch_warnings():
        # Of what tracing takes for constant, which the check below would find.
        warnings.simplefilter("ignore")
        model.export(path, format="onnx", verbose=False, input_signature=model.input_signature())
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
