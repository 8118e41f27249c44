"""Hand-written TensorFlow: compiled steps over tf.data, and whole epochs with and without XLA."""

import math

import numpy as np
import tensorflow as tf
from workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, NEGATIVE_SLOPE

ACTIVATIONS = {
    None: lambda x: x,
    "relu": tf.nn.relu,
    "tanh": tf.tanh,
    "leaky_relu": lambda x: tf.nn.leaky_relu(x, NEGATIVE_SLOPE),
}


def conv_transpose(x, kernel):
    n, (height, width) = tf.shape(x)[0], x.shape[1:3]
    shape = tf.stack([n, 2 * height, 2 * width, kernel.shape[2]])
    return tf.nn.conv2d_transpose(x, kernel, shape, 2, "SAME")


OPERATIONS = {
    "dense": tf.matmul,
    "conv": lambda x, kernel: tf.nn.conv2d(x, kernel, 2, "SAME"),
    "conv_transpose": conv_transpose,
}


def forward(layers, weights, x):
    """Applies layers in sequence."""
    for layer in layers:
        x = tf.reshape(x, (-1, *layer.input_shape))
        x = OPERATIONS[layer.kind](x, weights[f"{layer.name}/kernel"])
        x = ACTIVATIONS[layer.activation](tf.nn.bias_add(x, weights[f"{layer.name}/bias"]))
    return x


class TensorFlowTrainer:
    """Weights, Adam and the loss in plain operations.

    Noise is stateful, the fastest outside XLA; under XLA it is stateless.
    """

    stateless_noise = False

    def __init__(self, inputs):
        self.inputs = inputs
        self.workload = inputs.workload
        self.data = tf.constant(inputs.x)
        self.rng = np.random.default_rng(0)
        self.weights = {name: tf.Variable(w) for name, w in inputs.weights.items()}
        self.moments = [
            (tf.Variable(tf.zeros_like(w)), tf.Variable(tf.zeros_like(w)))
            for w in self.weights.values()
        ]
        self.powers = tf.Variable([1.0, 1.0])
        self.steps_done = tf.Variable(0)
        self.evaluation_loss = tf.function(self.loss, autograph=False)

    def load_weights(self) -> None:
        for name, weight in self.inputs.weights.items():
            self.weights[name].assign(weight)

    def evaluate(self) -> float:
        batches = self.inputs.evaluation_batches()
        return float(np.mean([self.evaluation_loss(tf.constant(batch)) for batch in batches]))

    def shuffled(self, steps: int) -> np.ndarray:
        """Returns the rows of each step's batch."""
        rows = self.rng.permutation(steps * self.workload.batch).astype("int32")
        return rows.reshape(steps, self.workload.batch)

    def loss(self, x):
        """Returns -ELBO with β, or the IWAE bound, of a batch, in nats."""
        workload = self.workload
        features = forward(workload.encoder, self.weights, x)
        mean, log_var = (forward((head,), self.weights, features) for head in workload.heads)
        draws = () if workload.n_samples is None else (workload.n_samples,)
        noise = self.normal((*draws, *x.shape[:1], workload.latent))
        z = mean + tf.exp(0.5 * log_var) * noise
        flat = math.prod(workload.input_shape)
        logits = tf.reshape(forward(workload.decoder, self.weights, z), (*z.shape[:-1], flat))
        target = tf.reshape(x, (-1, flat))
        target = target if workload.n_samples is None else tf.broadcast_to(target, logits.shape)
        entropies = tf.nn.sigmoid_cross_entropy_with_logits(target, logits)
        log_px = -tf.reduce_sum(entropies, -1)
        if workload.n_samples is None:
            kl = 0.5 * tf.reduce_sum(tf.exp(log_var) + mean**2 - 1.0 - log_var, -1)
            return tf.reduce_mean(workload.beta * kl - log_px)
        # (z - mean)² / σ² is the squared noise.
        log_w = log_px + 0.5 * tf.reduce_sum(noise**2 + log_var - z**2, -1)
        return math.log(workload.n_samples) - tf.reduce_mean(tf.reduce_logsumexp(log_w, 0))

    def normal(self, shape):
        if not self.stateless_noise:
            return tf.random.normal(shape)
        # Under XLA on CPUs, other algorithms make the whole step a quarter slower.
        return tf.random.stateless_normal(shape, tf.stack([self.steps_done, 0]), alg="philox")

    def train_step(self, x):
        """Updates the weights and returns the loss."""
        variables = list(self.weights.values())
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            value = self.loss(x)
        gradients = tape.gradient(value, variables)
        powers = self.powers.assign(self.powers * [BETA_1, BETA_2])
        self.steps_done.assign_add(1)
        for variable, (m, v), gradient in zip(variables, self.moments, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=LEARNING_RATE,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=EPSILON,
                grad=gradient,
            )
        return value


class GraphSteps(TensorFlowTrainer):
    """One graph call per step over a tf.data pipeline of shuffled batches."""

    def __init__(self, inputs):
        super().__init__(inputs)
        self.step = tf.function(self.train_step, autograph=False)

    def train(self, steps: int) -> float:
        batch = self.workload.batch
        data = (
            tf.data.Dataset.range(steps * batch)
            .shuffle(steps * batch)
            .batch(batch, drop_remainder=True)
            .map(lambda rows: tf.gather(self.data, rows))
            .prefetch(tf.data.AUTOTUNE)
        )
        return float(tf.reduce_mean([self.step(x) for x in data]))


class GraphLoop(TensorFlowTrainer):
    """A whole epoch in one graph."""

    jit_compile = False

    def __init__(self, inputs):
        super().__init__(inputs)
        self.epoch = tf.function(self.run_epoch, autograph=False, jit_compile=self.jit_compile)

    def run_epoch(self, rows):
        """Trains on each row of `rows`, and returns the mean loss."""
        steps, batch = rows.shape

        def body(i, total):
            x = tf.gather(self.data, rows[i])
            return i + 1, total + self.train_step(tf.ensure_shape(x, (batch, *x.shape[1:])))

        # A step reads weights that the one before wrote.
        _, total = tf.while_loop(lambda i, _: i < steps, body, (0, 0.0), parallel_iterations=1)
        return total / steps

    def train(self, steps: int) -> float:
        return float(self.epoch(tf.constant(self.shuffled(steps))))


class XLALoop(GraphLoop):
    """A whole epoch compiled by XLA; on CPUs, convolutions step by step.

    A convolution inside a loop is many times slower under XLA on CPUs.
    """

    stateless_noise = True
    jit_compile = True

    def __init__(self, inputs):
        super().__init__(inputs)
        self.by_steps = bool(self.workload.filters) and not tf.config.list_physical_devices("GPU")
        self.step = tf.function(
            lambda rows: self.train_step(tf.gather(self.data, rows)),
            autograph=False,
            jit_compile=True,
        )

    def train(self, steps: int) -> float:
        if not self.by_steps:
            return super().train(steps)
        return float(tf.reduce_mean([self.step(tf.constant(r)) for r in self.shuffled(steps)]))
