"""Takes out of a recorded graph what a replay need not do: a third of its operations.

Nothing here changes what the others compute, but for rounding where a product and a sum
become one operation. Only what is written nowhere is folded, shared or left out.
"""

from collections import Counter

import torch
from torch.fx import GraphModule, Node, map_arg

from keras_vae.backend.torch_tape.graph import base, has_tag, schema, value_of, writes, written

_ATEN = torch.ops.aten
_SAME_IF_OF_ONE_SHAPE = (
    _ATEN.detach.default,
    _ATEN.alias.default,
    _ATEN.view.default,
    _ATEN._unsafe_view.default,
    _ATEN.expand.default,
    _ATEN.slice.Tensor,
)
_SAME_WITH = {
    _ATEN.add.Tensor: 0,
    _ATEN.sub.Tensor: 0,
    _ATEN.mul.Tensor: 1,
    _ATEN.div.Tensor: 1,
    _ATEN.pow.Tensor_Scalar: 1,
}
_FROM_NOTHING = (
    _ATEN.arange.default,
    _ATEN.arange.start,
    _ATEN.arange.start_step,
    _ATEN.eye.default,
    _ATEN.full.default,
    _ATEN.ones.default,
    _ATEN.scalar_tensor.default,
    _ATEN.zeros.default,
    # A tensor that the step makes of Python's numbers.
    _ATEN.lift_fresh_copy.default,
)
_FROM_A_SHAPE = (
    _ATEN.full_like.default,
    _ATEN.new_full.default,
    _ATEN.new_ones.default,
    _ATEN.new_zeros.default,
    _ATEN.ones_like.default,
    _ATEN.zeros_like.default,
)


def clean_up(module: GraphModule, exact: bool = False) -> None:
    """Shortens a recorded graph in place; to the last bit the same where `exact` is asked for."""
    share_attributes(module)
    leave_out_idle(module)
    fold_constants(module)
    share_equal(module)
    if not exact:
        join_products_and_sums(module)
    module.graph.eliminate_dead_code(is_impure_node=_has_effect)
    module.graph.lint()


def _has_effect(node):
    known = schema(node)
    is_written = known is not None and known.is_mutable
    return is_written or node.op in ("placeholder", "output") or _draws(node)


def _draws(node):
    return has_tag(node, torch.Tag.nondeterministic_seeded)


def _replace(node, other):
    node.replace_all_uses_with(other)
    node.graph.erase_node(node)


def share_attributes(module: GraphModule) -> None:
    """Leaves one node for each tensor, before all others."""
    first = next(iter(module.graph.nodes))
    nodes: dict[int, Node] = {}
    for node in list(module.graph.nodes):
        if node.op != "get_attr":
            continue
        shared = nodes.setdefault(id(getattr(module, node.target)), node)
        if shared is not node:
            _replace(node, shared)
        elif node is not first:
            first.prepend(node)


def leave_out_idle(module: GraphModule) -> None:
    """Leaves out views of the same shape, sums with 0 and products with 1."""
    is_written = written(module)
    for node in list(module.graph.nodes):
        if node.op != "call_function" or not node.args or not isinstance(node.args[0], Node):
            continue
        before, after = value_of(module, node.args[0]), value_of(module, node)
        if before is None or after is None:
            continue
        if before.shape != after.shape or before.dtype != after.dtype:
            continue
        is_copy = _is_with_neutral(node) and not {base(node), base(node.args[0])} & is_written
        if node.target in _SAME_IF_OF_ONE_SHAPE or is_copy:
            _replace(node, node.args[0])


def _is_with_neutral(node):
    neutral = _SAME_WITH.get(node.target)
    others = node.args[1:]
    return neutral is not None and not node.kwargs and len(others) == 1 and others[0] == neutral


def fold_constants(module: GraphModule) -> None:
    """Computes once what follows from constants alone."""
    is_written = written(module)
    constants: set[Node] = set()
    scalars: dict[tuple, Node] = {}
    for node in list(module.graph.nodes):
        if base(node) in is_written or not _is_constant(node, constants):
            continue
        value = _computed(module, node)
        if not isinstance(value, torch.Tensor):
            continue
        is_scalar = value.numel() == 1
        key = (value.item(), value.dtype, value.shape) if is_scalar else (id(node),)
        if key not in scalars:
            scalars[key] = _constant(module, value)
            constants.add(scalars[key])
        _replace(node, scalars[key])


def _is_constant(node, constants):
    known = schema(node)
    if known is None or known.is_mutable or _draws(node):
        return False
    if node.target in _FROM_NOTHING or node.target in _FROM_A_SHAPE:
        return True
    inputs = node.all_input_nodes
    return bool(inputs) and all(i in constants for i in inputs)


def _computed(module, node):
    def value(argument):
        tensor = value_of(module, argument)
        if argument.op == "get_attr":
            return tensor
        # Only its shape counts.
        return torch.empty_strided(
            tuple(tensor.shape), tensor.stride(), dtype=tensor.dtype, device=tensor.device
        )

    with torch.no_grad():
        return node.target(*map_arg(node.args, value), **map_arg(node.kwargs, value))


def _constant(module, value):
    name = f"constant_{sum(n.op == 'get_attr' for n in module.graph.nodes)}_{id(value)}"
    module.register_buffer(name, value)
    with module.graph.inserting_before(next(iter(module.graph.nodes))):
        return module.graph.get_attr(name)


def share_equal(module: GraphModule) -> None:
    """Computes once what is computed twice of the same values."""
    is_written = written(module)
    times: Counter = Counter()  # how often the memory of each node was written so far
    seen: dict[tuple, Node] = {}
    for node in list(module.graph.nodes):
        known = schema(node)
        if known is None:
            continue
        if known.is_mutable:
            times.update(writes(node))
        elif not (_draws(node) or (base(node) is node and node in is_written)):
            read = tuple(times[base(i)] for i in node.all_input_nodes)
            key = (node.target, repr(node.args), repr(node.kwargs), read)
            if seen.setdefault(key, node) is not node:
                _replace(node, seen[key])


def join_products_and_sums(module: GraphModule) -> None:
    """Makes one operation of a product of matrices and the bias that is added to it."""
    graph = module.graph
    for node in list(graph.nodes):
        if node.target is not _ATEN.add.Tensor or len(node.args) != 2 or node.kwargs:
            continue
        product, bias = node.args
        if not (isinstance(product, Node) and isinstance(bias, Node)):
            continue
        added, added_to = value_of(module, bias), value_of(module, product)
        if (
            product.target is _ATEN.mm.default
            and len(product.users) == 1
            and added is not None
            and added_to is not None
            and added.ndim == 1
            and len(added) == added_to.shape[1]
            and added.dtype == added_to.dtype
            and not _is_write_between(product, node)
        ):
            with graph.inserting_before(node):
                joined = graph.call_function(_ATEN.addmm.default, (bias, *product.args))
            joined.meta = dict(node.meta)
            _replace(node, joined)
            graph.erase_node(product)


def _is_write_between(first, last):
    node = first
    while node is not last:
        known = schema(node)
        if known is not None and known.is_mutable:
            return True
        node = node.next
    return False
