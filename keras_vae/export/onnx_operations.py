"""Operations that the converters to ONNX lack, made of those that ONNX has."""

import functools
import importlib

import numpy as np

from keras_vae import backend


@functools.cache
def teach_operations() -> None:
    """Lets the backend's converter write erfc, of which TensorFlow makes the GELU, expm1, log1p.

    And TensorFlow's `where` as it is, not as a sum of products, where a NaN times 0 is NaN.
    """
    if backend.NAME == "tensorflow":
        from tf2onnx.handler import tf_op

        importlib.import_module("tf2onnx.onnx_opset")  # whose own would else replace these

        for name, formula in {"Erfc": _erfc, "Expm1": _expm1, "Log1p": _log1p}.items():
            tf_op(name)(_tf2onnx_handler(formula))
        tf_op("SelectV2")(_Where)
    elif backend.NAME == "torch":
        import torch

        for name, formula in {"aten::expm1": _expm1, "aten::log1p": _log1p}.items():
            torch.onnx.register_custom_op_symbolic(name, _torch_symbolic(formula), opset_version=9)


class _Where:
    @classmethod
    def version_9(cls, ctx, node, **kwargs) -> None:
        node.type = "Where"


def _erfc(op, constant, x):
    return op("Sub", constant(1.0), op("Erf", x))


def _expm1(op, constant, x):
    """e^x - 1, near 0 as 2t / (1 - t) with t = tanh(x / 2), where nothing cancels."""
    t = op("Tanh", op("Mul", x, constant(0.5)))
    near = op("Div", op("Mul", t, constant(2.0)), op("Sub", constant(1.0), t))
    return op("Where", op("Less", x, constant(1.0)), near, op("Sub", op("Exp", x), constant(1.0)))


def _log1p(op, constant, x):
    """log(1 + x) as x log(u) / (u - 1), where u is 1 + x as rounded, and x where that is 1."""
    one = constant(1.0)
    u = op("Add", x, one)
    is_one = op("Equal", u, one)
    ratio = op("Div", op("Log", u), op("Where", is_one, one, op("Sub", u, one)))
    return op("Where", is_one, x, op("Mul", x, ratio))


def _torch_symbolic(formula):
    import torch

    def symbolic(graph, x):
        def constant(value):
            return graph.op("Constant", value_t=torch.tensor(value))

        return formula(graph.op, constant, x)

    return symbolic


def _tf2onnx_handler(formula):
    from tf2onnx.utils import make_name

    class Handler:
        @classmethod
        def version_9(cls, ctx, node, **kwargs) -> None:
            def op(kind, *inputs):
                return ctx.make_node(kind, list(inputs)).output[0]

            def constant(value):
                return ctx.make_const(make_name("constant"), np.float32(value)).output[0]

            outputs, shapes = node.output, node.output_shapes
            dtypes = [ctx.get_dtype(outputs[0])]
            ctx.remove_node(node.name)
            last = formula(op, constant, *node.input)
            ctx.make_node("Identity", [last], outputs=outputs, shapes=shapes, dtypes=dtypes)

    return Handler
