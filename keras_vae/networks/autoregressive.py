"""AutoregressiveNetwork: dense layers in which output d sees inputs before d only."""

import itertools
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_count, check_shape


@serializable(old="AutoregressiveNetwork")
class AutoregressiveNetwork(keras.layers.Layer):
    """Masked dense layers from z, and a context, to `n_outputs` numbers per dimension.

    Where a hidden layer is narrower than dim - 1 it has no path from some inputs to some
    outputs; masked weights then lead from inputs to outputs directly.

    Args:
        units: width of each hidden layer.
        n_outputs: numbers per dimension of z.
        activation: name or function, applied after each hidden layer.

    Call arguments:
        z: shape `(..., batch, dim)`.
        context: shape `(batch, context_dim)`, seen by each output, or `None`.

    Returns:
        Shape `(..., batch, n_outputs, dim)`, where entry d depends on z before
        d and on the context.

    Reference:
        Germain et al., "MADE: masked autoencoder for distribution estimation",
        2015, sections 3 (direct connections) and 4.
    """

    def __init__(self, units: tuple[int, ...] = (64,), n_outputs: int = 2, activation="relu", **kw):
        kw.setdefault("dtype", "float32")
        super().__init__(**kw)
        self.units = check_shape("units", units)
        self.n_outputs = check_count("n_outputs", n_outputs)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape, context_shape=None) -> None:
        self.dim = input_shape[-1]
        degrees = [np.arange(1, self.dim + 1)]
        for width in self.units:
            degrees.append(np.arange(width) % max(1, self.dim - 1) + 1)
        self.masks = [
            (before[:, None] <= after).astype("float32")
            for before, after in itertools.pairwise(degrees)
        ]
        last = (degrees[-1][:, None] < np.arange(1, self.dim + 1)).astype("float32")
        self.masks.append(np.tile(last, self.n_outputs))
        self.kernels, self.biases = [], []
        for i, mask in enumerate(self.masks):
            self.kernels.append(self.add_weight(mask.shape, "glorot_uniform", name=f"kernel_{i}"))
            self.biases.append(self.add_weight(mask.shape[1:], "zeros", name=f"bias_{i}"))
        self.direct_kernel = None
        if min(self.units) < self.dim - 1:
            before = np.triu(np.ones((self.dim, self.dim), "float32"), k=1)
            self.direct_mask = np.tile(before, self.n_outputs)
            self.direct_kernel = self.add_weight(
                self.direct_mask.shape, "glorot_uniform", name="direct_kernel"
            )
        self.context_head: Any = None  # a layer where there is a context
        if context_shape is not None:
            # It joins the first hidden layer, and the outputs, which see nothing else of d = 1.
            self.context_head = keras.layers.Dense(
                self.units[0] + self.masks[-1].shape[1], dtype="float32", name="context"
            )
            self.context_head.build(context_shape)

    def call(self, z, context=None) -> Tensor:
        hidden = ops.matmul(z, self.kernels[0] * ops.array(self.masks[0])) + self.biases[0]
        shift = 0.0
        if context is not None:
            context = self.context_head(context)
            hidden = hidden + context[:, : self.units[0]]
            shift = context[:, self.units[0] :]
        last = len(self.masks) - 1
        for i in range(1, last + 1):
            hidden = self.activation(hidden)
            hidden = ops.matmul(hidden, self.kernels[i] * ops.array(self.masks[i])) + self.biases[i]
        outputs = hidden + shift
        if self.direct_kernel is not None:
            outputs = outputs + ops.matmul(z, self.direct_kernel * ops.array(self.direct_mask))
        return ops.reshape(outputs, (*ops.shape(outputs)[:-1], self.n_outputs, self.dim))

    def load_own_variables(self, store) -> None:
        values = [store[key] for key in sorted(store.keys(), key=int)]
        own = [w for pair in zip(self.kernels, self.biases, strict=True) for w in pair]
        if self.direct_kernel is None or len(values) != len(own):
            super().load_own_variables(store)
            return
        # Files of 0.1 have no direct weights.
        for weight, value in zip(own, values, strict=True):
            weight.assign(value)
        self.direct_kernel.assign(ops.zeros(self.direct_mask.shape))

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "units": self.units,
            "n_outputs": self.n_outputs,
            "activation": keras.activations.serialize(self.activation),
        }
