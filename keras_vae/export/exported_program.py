"""ExportedProgram: PyTorch's own format, `.pt2`."""

from keras_vae.export.endpoints import EndpointModel


def write_exported_program(model: EndpointModel, path: str) -> float:
    """Writes `model`, for a batch of size 1, and checks the file.

    The program takes a tensor, or a dict of tensors by name where there are several inputs.

    Returns:
        The largest difference of what the loaded program computes from the model.
    """
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
