"""LiteRT: the format of TensorFlow Lite's successor, for phones and small devices."""

from typing import ClassVar

from keras_vae import backend
from keras_vae.export.base import FileFormat
from keras_vae.export.quantization import TOLERANCES

# By the backend that writes; `None` for any, after `resize_tensor_input`.
_BATCH_SIZE = {"tensorflow": None, "torch": 1}


class LiteRT(FileFormat):
    """A file `.tflite`, of any batch size from TensorFlow and of size 1 from torch.

    Inputs and outputs are float32, of a quantized file too.
    """

    name = "litert"
    title = "LiteRT"
    packages: ClassVar = {
        "tensorflow": ("ai_edge_litert",),
        "torch": ("ai_edge_litert", "litert_torch"),
    }
    suffix = ".tflite"
    quantizes = ("tensorflow",)

    def write(self, model, path, quantization=None) -> float:
        from ai_edge_litert.interpreter import Interpreter

        batch_size, inputs = _BATCH_SIZE[backend.NAME], model.endpoint.inputs
        signature = model.input_signature(batch_size)
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

        sizes = (batch_size,) if batch_size else (1, 3)
        if quantization is None:
            return model.endpoint.largest_difference(run, sizes)
        tolerance, examples = TOLERANCES[quantization.kind], quantization.examples(inputs)
        return model.endpoint.largest_difference(run, sizes, tolerance, examples)
