"""ExportedProgram: PyTorch's own format, `.pt2`."""

from typing import ClassVar

from keras_vae.export.base import FileFormat


class ExportedProgram(FileFormat):
    """A file `.pt2`, for a batch of size 1.

    The program takes a tensor, or a dict of tensors by name where there are several inputs.
    """

    name = "torch"
    title = "an ExportedProgram"
    packages: ClassVar = {"torch": ()}
    suffix = ".pt2"

    def write(self, model, path, quantization=None) -> float:
        import torch

        signature = model.input_signature(batch_size=1)
        model.export(path, format="torch", verbose=False, input_signature=signature)
        program = torch.export.load(path).module()
        names = model.endpoint.inputs

        def run(*arrays):
            tensors = [torch.from_numpy(array) for array in arrays]
            given = tensors if len(tensors) == 1 else [dict(zip(names, tensors, strict=True))]
            with torch.no_grad():
                outputs = program(*given)
            outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
            return [output.cpu().numpy() for output in outputs]

        return model.endpoint.largest_difference(run, batch_sizes=(1,))
