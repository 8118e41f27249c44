"""LiteRT: the format of TensorFlow Lite's successor, for phones and small devices."""

from keras_vae.backend import BACKEND
from keras_vae.export.endpoints import EndpointModel
from keras_vae.export.quantization import TOLERANCES, Quantization
from keras_vae.export.requirements import require


def write_litert(
    model: EndpointModel, path: str, quantization: Quantization | None = None
) -> float:
    """Writes `model` and checks the file.

    From TensorFlow the batch has any size, after `resize_tensor_input`; from
    torch it has size 1. Inputs and outputs are float32, of a quantized file too.

    Args:
        model: the function.
        path: the file.
        quantization: how its numbers are kept; float32 by default.

    Returns:
        The largest difference of what the LiteRT interpreter computes from the model.

    Raises:
        ImportError: if the converter or the interpreter is missing.
    """
    require("LiteRT", "ai_edge_litert", *(["litert_torch"] if BACKEND == "torch" else []))
    from ai_edge_litert.interpreter import Interpreter

    signature, inputs = (
        model.input_signature(1 if BACKEND == "torch" else None),
        model.endpoint.inputs,
    )
    options = {} if quantization is None else quantization.converter_options(inputs)
    model.export(path, format="litert", verbose=False, input_signature=signature, **options)
    interpreter = Interpreter(path)
    # In the file outputs have other names, but the signature's order.
    signature = interpreter.get_signature_list()["serving_default"]["outputs"]
    runner = interpreter.get_signature_runner("serving_default")
    given = list(runner.get_input_details())
    names = given if len(given) == 1 else inputs

    def run(*arrays):
        outputs = runner(**dict(zip(names, arrays, strict=True)))
        return [outputs[name] for name in sorted(signature)]

    sizes = (1,) if BACKEND == "torch" else (1, 3)
    if quantization is None:
        return model.endpoint.largest_difference(run, sizes)
    tolerance, examples = TOLERANCES[quantization.kind], quantization.examples(inputs)
    return model.endpoint.largest_difference(run, sizes, tolerance, examples)
