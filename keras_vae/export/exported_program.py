"""ExportedProgram: PyTorch's own format, `.pt2`."""

from keras_vae.export.endpoints import EndpointModel


def write_exported_program(model: EndpointModel, path: str) -> float:
    """Writes `model`, for a batch of size 1, and checks the file.

    Returns:
        The largest difference of what the loaded program computes from the model.
    """
    import torch

    spec = model.endpoint.input_spec
    spec.shape = (1, *spec.shape[1:])
    model.export(path, format="torch", verbose=False, input_signature=[spec])
    program = torch.export.load(path).module()

    def run(x):
        with torch.no_grad():
            outputs = program(torch.from_numpy(x))
        outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        return [output.cpu().numpy() for output in outputs]

    return model.endpoint.largest_difference(run, batch_sizes=(1,))
