"""Hand-written JAX: a whole epoch in one compiled scan, or one compiled step at a time."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, nn
from workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, NEGATIVE_SLOPE

ACTIVATIONS = {
    None: lambda x: x,
    "relu": nn.relu,
    "tanh": jnp.tanh,
    "leaky_relu": partial(nn.leaky_relu, negative_slope=NEGATIVE_SLOPE),
}
IMAGES = ("NHWC", "HWIO", "NHWC")


def conv(x, kernel):
    return lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=IMAGES)


def conv_transpose(x, kernel):
    return lax.conv_transpose(
        x, kernel, (2, 2), "SAME", dimension_numbers=IMAGES, transpose_kernel=True
    )


def blocks(x):
    """Moves each 2×2 block of pixels into the channels."""
    n, height, width, channels = x.shape
    x = x.reshape(n, height // 2, 2, width // 2, 2, channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(n, height // 2, width // 2, 4 * channels)


def pixels(x):
    """The inverse of `blocks`."""
    n, height, width, channels = x.shape
    x = x.reshape(n, height, width, 2, 2, channels // 4)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * height, 2 * width, channels // 4)


def gemm_conv(x, kernel):
    """`conv` as one matrix product: a 4×4 window is 2×2 blocks of 2×2 pixels."""
    *_, inputs, outputs = kernel.shape
    x = blocks(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))
    windows = jnp.concatenate([x[:, :-1, :-1], x[:, :-1, 1:], x[:, 1:, :-1], x[:, 1:, 1:]], axis=-1)
    kernel = kernel.reshape(2, 2, 2, 2, inputs, outputs).transpose(0, 2, 1, 3, 4, 5)
    return windows @ kernel.reshape(16 * inputs, outputs)


def gemm_conv_transpose(x, kernel):
    """`conv_transpose` as one matrix product to blocks of pixels that overlap, then added."""
    *_, outputs, inputs = kernel.shape
    kernel = kernel.reshape(2, 2, 2, 2, outputs, inputs).transpose(5, 0, 2, 1, 3, 4)
    y = x @ kernel.reshape(inputs, 16 * outputs)
    parts = jnp.split(y, 4, axis=-1)
    total = sum(
        jnp.pad(part, ((0, 0), (a, 1 - a), (b, 1 - b), (0, 0)))
        for part, (a, b) in zip(parts, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True)
    )
    return pixels(total)[:, 1:-1, 1:-1]


def forward(layers, weights, x, gemm: bool):
    """Applies layers in sequence, convolutions as matrix products with `gemm`."""
    operations = {
        "dense": jnp.matmul,
        "conv": gemm_conv if gemm else conv,
        "conv_transpose": gemm_conv_transpose if gemm else conv_transpose,
    }
    for layer in layers:
        x = x.reshape(-1, *layer.input_shape)
        x = operations[layer.kind](x, weights[f"{layer.name}/kernel"])
        x = ACTIVATIONS[layer.activation](x + weights[f"{layer.name}/bias"])
    return x


def posterior(workload, weights, x, gemm):
    features = forward(workload.encoder, weights, x, gemm)
    return tuple(forward((head,), weights, features, gemm) for head in workload.heads)


def loss(workload, gemm, weights, x, key):
    """Returns -ELBO with β, or the IWAE bound, of a batch, in nats."""
    mean, log_var = posterior(workload, weights, x, gemm)
    draws = () if workload.n_samples is None else (workload.n_samples,)
    noise = jax.random.normal(key, (*draws, *mean.shape))
    z = mean + jnp.exp(0.5 * log_var) * noise
    logits = forward(workload.decoder, weights, z, gemm).reshape(*z.shape[:-1], -1)
    target = x.reshape(len(x), -1)
    log_px = jnp.sum(target * logits - nn.softplus(logits), axis=-1)
    if workload.n_samples is None:
        kl = 0.5 * jnp.sum(jnp.exp(log_var) + mean**2 - 1.0 - log_var, axis=-1)
        return jnp.mean(workload.beta * kl - log_px)
    # (z - mean)² / σ² is the squared noise.
    log_w = log_px + 0.5 * jnp.sum(noise**2 + log_var - z**2, axis=-1)
    return jnp.log(workload.n_samples) - jnp.mean(nn.logsumexp(log_w, axis=0))


def adam(state, gradients):
    """Returns (weights, m, v, step) after one step."""
    weights, m, v, step = state
    step = step + 1
    t = step.astype("float32")
    rate = LEARNING_RATE * jnp.sqrt(1.0 - BETA_2**t) / (1.0 - BETA_1**t)
    m = jax.tree.map(lambda m, g: m + (1.0 - BETA_1) * (g - m), m, gradients)
    v = jax.tree.map(lambda v, g: v + (1.0 - BETA_2) * (g * g - v), v, gradients)
    weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + EPSILON), weights, m, v)
    return weights, m, v, step


def train_step(workload, gemm, data, key, state, rows):
    """Returns the state after a step on `data[rows]`, and the loss."""
    key = jax.random.fold_in(key, state[-1])
    objective = partial(loss, workload, gemm)
    value, gradients = jax.value_and_grad(objective)(state[0], data[rows], key)
    return adam(state, gradients), value


class JAXTrainer:
    """The state and the data, on the device."""

    gemm = False

    def __init__(self, inputs):
        self.inputs = inputs
        self.workload = inputs.workload
        self.data = jnp.asarray(inputs.x)
        self.key = jax.random.key(0, impl="rbg")  # XLA's own generator, the fastest
        self.rng = np.random.default_rng(0)
        zeros = {name: np.zeros_like(w) for name, w in inputs.weights.items()}
        self.state = jax.tree.map(jnp.array, (inputs.weights, zeros, zeros, np.int32(0)))
        self.evaluation_loss = jax.jit(partial(loss, self.workload, self.gemm))

    def load_weights(self) -> None:
        self.state = (jax.tree.map(jnp.array, self.inputs.weights), *self.state[1:])

    def evaluate(self) -> float:
        batches = self.inputs.evaluation_batches()
        keys = jax.random.split(jax.random.key(1), len(batches))
        losses = [
            self.evaluation_loss(self.state[0], batch, key)
            for batch, key in zip(batches, keys, strict=True)
        ]
        return float(np.mean(losses))

    def shuffled(self, steps: int) -> np.ndarray:
        """Returns the rows of each step's batch."""
        rows = self.rng.permutation(steps * self.workload.batch).astype("int32")
        return rows.reshape(steps, self.workload.batch)


class EpochLoop(JAXTrainer):
    """One compiled call per epoch."""

    def __init__(self, inputs):
        # A library convolution in a scan is many times slower on CPUs than outside of one.
        self.gemm = jax.default_backend() == "cpu"
        super().__init__(inputs)

        def epoch(state, data, rows, key):
            step = partial(train_step, self.workload, self.gemm, data, key)
            state, losses = lax.scan(step, state, rows)
            return state, jnp.mean(losses)

        self.epoch = jax.jit(epoch, donate_argnums=0)

    def train(self, steps: int) -> float:
        self.state, value = self.epoch(self.state, self.data, self.shuffled(steps), self.key)
        return float(value)


class StepLoop(JAXTrainer):
    """One compiled call per step, convolutions by the library."""

    def __init__(self, inputs):
        super().__init__(inputs)

        def step(state, data, rows, key):
            return train_step(self.workload, self.gemm, data, key, state, rows)

        self.step = jax.jit(step, donate_argnums=0)

    def train(self, steps: int) -> float:
        losses = []
        for rows in self.shuffled(steps):
            self.state, value = self.step(self.state, self.data, rows, self.key)
            losses.append(value)
        return float(np.mean(jax.device_get(losses)))
