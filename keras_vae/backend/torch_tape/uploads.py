"""Copies to the GPU of what a step reads on the CPU: made once a call, and not at each step."""

from typing import NamedTuple

import torch
from torch.fx import GraphModule

from keras_vae.backend.torch_tape.graph import value_of, written


class Upload(NamedTuple):
    """A tensor of the CPU, as an array of NumPy is, and its copy that the tape reads."""

    source: torch.Tensor
    copy: torch.Tensor

    def renew(self) -> None:
        """Copies anew, as the source may have been changed since."""
        self.copy.copy_(self.source)


def take_out(module: GraphModule) -> list[Upload]:
    """Takes copies to another device out of a graph, where the step writes neither of the two."""
    is_written, found = written(module), []
    for node in list(module.graph.nodes):
        if node.target is not torch.ops.aten._to_copy.default or node.args[0].op != "get_attr":
            continue
        read, made = node.args[0], value_of(module, node)
        source = value_of(module, read)
        if source is None or made is None or source.device == made.device:
            continue
        if {read, node} & is_written:
            continue
        found.append(Upload(source.detach(), node.target(source.detach(), **node.kwargs)))
        name = f"upload_{len(found)}"
        module.register_buffer(name, found[-1].copy)
        with module.graph.inserting_before(read):
            node.replace_all_uses_with(module.graph.get_attr(name))
        module.graph.erase_node(node)
        if not read.users:
            module.graph.erase_node(read)
    return found
