"""Lets operations write over an input that nothing reads afterwards.

Memory that is asked for anew at each step comes from the machine page by page, which takes a
quarter of a step of convolutions.
"""

import operator

import torch
from torch.fx import GraphModule, Node

from keras_vae.backend.torch_tape.graph import base, is_view, value_of, written

_ATEN = torch.ops.aten
# Less is kept by the process when it is given back.
_LEAST_BYTES = 2**17
# Element by element, so that the input may be the output.
_IN_PLACE = {
    _ATEN.add.Tensor: _ATEN.add_.Tensor,
    _ATEN.elu.default: _ATEN.elu_.default,
    _ATEN.exp.default: _ATEN.exp_.default,
    _ATEN.leaky_relu.default: _ATEN.leaky_relu_.default,
    _ATEN.mul.Tensor: _ATEN.mul_.Tensor,
    _ATEN.neg.default: _ATEN.neg_.default,
    _ATEN.relu.default: _ATEN.relu_.default,
    _ATEN.sigmoid.default: _ATEN.sigmoid_.default,
    _ATEN.silu.default: _ATEN.silu_.default,
    _ATEN.sub.Tensor: _ATEN.sub_.Tensor,
    _ATEN.tanh.default: _ATEN.tanh_.default,
}
_OF_GRADIENTS = {
    _ATEN.elu_backward.default: _ATEN.elu_backward.grad_input,
    _ATEN.gelu_backward.default: _ATEN.gelu_backward.grad_input,
    _ATEN.leaky_relu_backward.default: _ATEN.leaky_relu_backward.grad_input,
    _ATEN.sigmoid_backward.default: _ATEN.sigmoid_backward.grad_input,
    _ATEN.silu_backward.default: _ATEN.silu_backward.grad_input,
    _ATEN.softplus_backward.default: _ATEN.softplus_backward.grad_input,
    _ATEN.tanh_backward.default: _ATEN.tanh_backward.grad_input,
    _ATEN.threshold_backward.default: _ATEN.threshold_backward.grad_input,
}


def reuse_memory(module: GraphModule) -> None:
    """Makes operations on a first input that is read no more such as write it; comes last."""
    nodes, is_written = list(module.graph.nodes), written(module)
    last_read = {_memory(i): at for at, node in enumerate(nodes) for i in node.all_input_nodes}
    for at, node in enumerate(nodes):
        if node.target not in _IN_PLACE and node.target not in _OF_GRADIENTS:
            continue
        first = node.args[0]
        if not isinstance(first, Node) or not _may_be(module, first, node):
            continue
        memory = _memory(first)
        of_inputs = [_memory(i) for i in node.all_input_nodes]
        is_free = memory.op == "call_function" and base(first) not in is_written
        if not is_free or last_read[memory] > at or of_inputs.count(memory) > 1:
            continue
        last_read[memory] = last_read.get(node, at)
        if node.target in _OF_GRADIENTS:
            node.target = _OF_GRADIENTS[node.target]
            node.kwargs = {**node.kwargs, "grad_input": first}
        else:
            node.target = _IN_PLACE[node.target]


def _memory(node):
    """Returns the node that has asked for the memory of a node."""
    while is_view(node):
        source = node.all_input_nodes[0]
        if node.target is operator.getitem and not is_view(source):
            return node  # one of several results
        node = source
    return node


def _may_be(module, first, node):
    """Returns whether the memory of an input has the size and order of a result."""
    value, result = value_of(module, first), value_of(module, node)
    if value is None or result is None or result.numel() * result.itemsize < _LEAST_BYTES:
        return False
    alike = (value.shape, value.dtype, value.device) == (result.shape, result.dtype, result.device)
    return alike and value.stride() == result.stride()
