"""The matrix products of a training step alone, as one compiled JAX call.

Convolutions count as the product of their windows with the kernel. What a
library's own convolutions can beat is a yardstick, not a limit.
"""

import jax
import jax.numpy as jnp
import numpy as np


class GemmFloor:
    """Forward, and the gradients of weights and, but for the first layer, of inputs."""

    def __init__(self, inputs):
        workload = inputs.workload
        rng = np.random.default_rng(0)
        decoded = workload.batch * (workload.n_samples or 1)
        operands = []
        for layer in workload.layers:
            m, k, n = self.product(layer)
            m *= decoded if layer in workload.decoder else workload.batch
            arrays = (rng.normal(size=shape) for shape in ((m, k), (k, n), (m, n)))
            operands.append([jnp.asarray(a, "float32") for a in arrays])
        self.operands = operands
        self.products = jax.jit(self.all_products)

    @staticmethod
    def product(layer) -> tuple[int, int, int]:
        """Returns rows per image, inputs and outputs of a layer's matrix product."""
        *window, a, b = layer.kernel_shape
        if layer.kind == "dense":
            return 1, a, b
        if layer.kind == "conv":
            return int(np.prod(layer.output_shape[:2])), int(np.prod(window)) * a, b
        return int(np.prod(layer.input_shape[:2])), b, int(np.prod(window)) * a

    @staticmethod
    def all_products(operands):
        results = []
        for i, (x, w, g) in enumerate(operands):
            results += [x @ w, x.T @ g]
            if i > 0:
                results.append(g @ w.T)
        return results

    def load_weights(self) -> None:
        """There are none."""

    def train(self, steps: int) -> None:
        for _ in range(steps):
            # One at a time: the products of many calls in flight would fill the memory.
            jax.block_until_ready(self.products(self.operands))
