"""A graph as a Python function, whose operations and tensors are local names: no look-ups."""

import math
import operator
from collections.abc import Callable

import torch
from torch.fx import GraphModule, Node


def as_function(module: GraphModule) -> Callable:
    """Returns a function of the graph's inputs to a list of its outputs."""
    writer = _Writer(module)
    for node in module.graph.nodes:
        writer.write(node)
    return writer.function()


class _Writer:
    """Writes a line for each operation, and deletes what no later one reads."""

    def __init__(self, module):
        self.module = module
        self.names, self.inputs, self.lines, self.bound = {}, [], [], {}
        last_user = {i: node for node in module.graph.nodes for i in node.all_input_nodes}
        self.dead: dict[Node, list[Node]] = {}
        for node, user in last_user.items():
            if node.op == "call_function":
                self.dead.setdefault(user, []).append(node)

    def bind(self, value):
        name = f"bound_{len(self.bound)}"
        self.bound[name] = value
        return name

    def text(self, value):
        if isinstance(value, Node):
            return self.names[value]
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(map(self.text, value))}]"
        is_plain = value is None or isinstance(value, (bool, int, str))
        if is_plain or (isinstance(value, float) and math.isfinite(value)):
            return repr(value)
        return self.bind(value)

    def write(self, node):
        if node.op == "placeholder":
            self.names[node] = node.name
            self.inputs.append(node.name)
        elif node.op == "get_attr":
            self.names[node] = self.bind(getattr(self.module, node.target).detach())
        elif node.op == "output":
            self.lines.append(f"return {self.text(node.args[0])}")
        else:
            self._write_call(node)

    def _write_call(self, node):
        self.names[node] = node.name
        arguments = list(map(self.text, node.args))
        arguments += [f"{name}={self.text(value)}" for name, value in node.kwargs.items()]
        if node.target is operator.getitem:
            call = f"{arguments[0]}[{arguments[1]}]"
        else:
            function = node.target
            overload = isinstance(function, torch._ops.OpOverload)
            call = f"{self.bind(function._op if overload else function)}({', '.join(arguments)})"
        self.lines.append(f"{node.name} = {call}" if node.users else call)
        dead = [self.names[n] for n in self.dead.get(node, ())]
        if dead:
            self.lines.append(f"del {', '.join(dead)}")

    def function(self):
        head = f"def make({', '.join(self.bound)}):\n def step({', '.join(self.inputs)}):\n  "
        source = head + "\n  ".join(self.lines) + "\n return step\n"
        namespace: dict[str, Callable] = {}
        exec(compile(source, "<tape>", "exec"), namespace)
        return namespace["make"](**self.bound)
