"""keras_vae by its `fit` on arrays, with its own loop or with Keras's."""

import keras
from workloads import (
    BETA_1,
    BETA_2,
    EPSILON,
    EVALUATION_BATCH,
    EVALUATION_ROWS,
    KERNEL_SIZE,
    LEARNING_RATE,
    Workload,
)

import keras_vae as kv


def build(workload: Workload, condition=None) -> kv.VAE:
    """Returns the workload's model, built and not compiled, of the same width with a condition."""
    shape, activation = workload.input_shape, workload.activation
    if workload.filters:
        filters, options = workload.filters, {"kernel_size": KERNEL_SIZE, "activation": activation}
        network = kv.networks.ConvEncoder(filters, **options)
        decoder = kv.networks.ConvDecoder(shape, tuple(reversed(filters)), **options)
        if workload.units:
            dense = [keras.layers.Dense(n, activation=activation) for n in workload.units]
            network = keras.Sequential([network, *dense])
            dense = [keras.layers.Dense(n, activation=activation) for n in workload.units[::-1]]
            decoder = keras.Sequential([*dense, decoder])
    else:
        units = workload.units
        network = kv.networks.DenseEncoder(units, activation)
        decoder = kv.networks.DenseDecoder(shape, tuple(reversed(units)), activation)
    n_samples = workload.n_samples
    objective = (
        kv.objectives.ELBO(workload.beta) if n_samples is None else kv.objectives.IWAE(n_samples)
    )
    vae = kv.VAE(
        kv.VariationalEncoder(workload.latent, network),
        decoder,
        objective=objective,
        condition=condition,
    )
    vae.build((None, *shape))
    return vae


def set_weights(model: keras.Model, weights) -> None:
    """Sets the weights of encoder, heads and decoder, which come in the order of `weights`."""
    variables = model.trainable_variables
    for variable, value in zip(variables, weights.values(), strict=True):
        variable.assign(value)


class Fit:
    """One `fit` call per round.

    Args:
        inputs: the `Inputs` of the workload.
        device_loop: whether `fit` runs its own compiled loop, the default of
            keras_vae, or Keras's.
    """

    def __init__(self, inputs, device_loop: bool):
        self.inputs = inputs
        self.vae = build(inputs.workload)
        options = {} if device_loop else {"device_loop": False}
        self.vae.compile(keras.optimizers.Adam(LEARNING_RATE, BETA_1, BETA_2, EPSILON), **options)

    def load_weights(self) -> None:
        set_weights(self.vae, self.inputs.weights)

    def train(self, steps: int) -> float:
        rows, batch = self.inputs.rows(steps), self.inputs.workload.batch
        history = self.vae.fit(rows, batch_size=batch, epochs=1, verbose=0)
        return history.history["loss"][-1]

    def evaluate(self) -> float:
        x = self.inputs.x[:EVALUATION_ROWS]
        logs = self.vae.evaluate(x, batch_size=EVALUATION_BATCH, verbose=0, return_dict=True)
        return logs["loss"]
