"""What the operations of a recorded graph read, show and write."""

import operator

import torch
from torch.fx import GraphModule, Node

# Views that their schemas do not tell.
_HIDDEN_VIEWS = (operator.getitem, torch.ops.aten._unsafe_view.default)


def schema(node: Node) -> torch._C.FunctionSchema | None:
    """Returns the schema of an operation of torch."""
    target = node.target
    return target._schema if isinstance(target, torch._ops.OpOverload) else None


def has_tag(node: Node, *tags: torch.Tag) -> bool:
    """Returns whether an operation of torch has one of some tags."""
    target = node.target
    return isinstance(target, torch._ops.OpOverload) and any(tag in target.tags for tag in tags)


def is_view(node: Node) -> bool:
    """Returns whether an operation gives the memory of its first input, read or written."""
    if node.target in _HIDDEN_VIEWS:
        return True
    known = schema(node)
    return known is not None and any(r.alias_info is not None for r in known.returns)


def base(node: Node) -> Node:
    """Returns the node whose memory a node shows."""
    while is_view(node):
        node = node.all_input_nodes[0]
    return node


def writes(node: Node) -> list[Node]:
    """Returns the nodes whose memory an operation writes."""
    known = schema(node)
    if known is None or not known.is_mutable:
        return []
    given = zip(known.arguments, node.args, strict=False)
    named = [(a, node.kwargs[a.name]) for a in known.arguments if a.name in node.kwargs]
    found: list = []
    for argument, value in (*given, *named):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found += value if isinstance(value, (list, tuple)) else [value]
    return [base(value) for value in found if isinstance(value, Node)]


def written(module: GraphModule) -> set[Node]:
    """Returns the nodes whose memory is written somewhere."""
    return {node for operation in module.graph.nodes for node in writes(operation)}


def value_of(module: GraphModule, node: Node) -> torch.Tensor | None:
    """Returns a tensor of the shape and dtype of a node, where it is one."""
    value = getattr(module, str(node.target)) if node.op == "get_attr" else node.meta.get("val")
    return value if isinstance(value, torch.Tensor) else None


def devices(module: GraphModule) -> set[str]:
    """Returns the kinds of devices on which what a graph reads and computes lies."""
    values = [value_of(module, node) for node in module.graph.nodes]
    return {value.device.type for value in values if value is not None}
