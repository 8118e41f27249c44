"""The state of a model that a step may change."""

import keras
import torch

from keras_vae.backend.keras_internals import flatten_layers, loss_tracker, stored_value


def optimizer_of(model: keras.Model) -> keras.optimizers.Optimizer | None:
    """Returns the optimizer, which a model has once it was compiled."""
    return model.optimizer if model.compiled else None


def variables(model: keras.Model) -> list[keras.Variable]:
    """Returns all variables of a model: weights, seeds, metrics and the optimizer's."""
    found = [*model.variables]
    if model.compiled:
        found += [*model.metrics_variables, *loss_tracker(model).variables]
    optimizer = optimizer_of(model)
    found += [] if optimizer is None else optimizer.variables
    return list({id(v): v for v in found}.values())


class State:
    """The values of all variables of a model, and of tensors that its layers hold.

    Args:
        model: the model.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        held = [stored_value(v) for v in variables(model)]
        for part in flatten_layers(model):
            own = [*vars(part).values(), *part.buffers(recurse=False)]
            held += [value for value in own if isinstance(value, torch.Tensor)]
        self.tensors = [tensor.detach() for tensor in {id(t): t for t in held}.values()]

    def copy(self) -> list[torch.Tensor]:
        """Returns the values of now."""
        return [tensor.clone() for tensor in self.tensors]

    def restore(self, values: list[torch.Tensor]) -> None:
        """Brings back what `copy` returned."""
        self.model.zero_grad()
        for tensor, value in zip(self.tensors, values, strict=True):
            tensor.copy_(value)
