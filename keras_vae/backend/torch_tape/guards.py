"""Ends a recording before an operation that a tape could not repeat is carried out."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from keras_vae.backend.torch_tape.errors import CannotRecordError

_ATEN = torch.ops.aten
_MADE_OF_NUMBERS = (_ATEN.lift_fresh.default, _ATEN.lift_fresh_copy.default)
_BY_VALUES = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)


class Guards(TorchDispatchMode):
    """Lets a recorded step write what is known and what it makes itself, and no more.

    Args:
        known: tensors that a step may write: the state of the model and the batch.
    """

    def __init__(self, known: list[torch.Tensor]):
        super().__init__()
        self.memory = {_place(tensor) for tensor in known}
        self.constants: set[int] = set()  # made of Python's numbers alone, which a step may read

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        is_constant = self._is_constant(function, args, kwargs)
        if any(tag in function.tags for tag in _BY_VALUES) and not is_constant:
            raise CannotRecordError(f"{function} depends on values.")
        if function._schema.is_mutable:
            self._check_writes(function, args, kwargs)
        result = function(*args, **kwargs)
        made = {_place(x) for x in tree_leaves(result) if isinstance(x, torch.Tensor)}
        self.memory |= made
        self.constants = self.constants | made if is_constant else self.constants - made
        return result

    def _is_constant(self, function, args, kwargs):
        if function in _MADE_OF_NUMBERS:
            return True
        if torch.Tag.nondeterministic_seeded in function.tags:
            return False
        read = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        return all(_place(x) in self.constants for x in read)

    def _check_writes(self, function, args, kwargs):
        known = function._schema.arguments
        given = [*zip(known, args, strict=False), *((a, kwargs.get(a.name)) for a in known)]
        for argument, value in given:
            if argument.alias_info is None or not argument.alias_info.is_write:
                continue
            for written in tree_leaves(value):
                if not isinstance(written, torch.Tensor):
                    continue
                if _place(written) not in self.memory:
                    raise CannotRecordError(f"{function} writes what is no variable of the model.")
                self.constants.discard(_place(written))


def _place(tensor):
    return tensor.untyped_storage().data_ptr()
