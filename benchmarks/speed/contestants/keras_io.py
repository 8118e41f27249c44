"""The VAE of the keras.io examples: a custom train_step on TensorFlow, trained by `fit`."""

import math

import keras
import tensorflow as tf
from keras import layers, ops
from workloads import (
    BETA_1,
    BETA_2,
    EPSILON,
    EVALUATION_BATCH,
    EVALUATION_ROWS,
    KERNEL_SIZE,
    LEARNING_RATE,
)

from contestants.keras_vae_fit import set_weights


class Sampling(layers.Layer):
    """Draws z, `(batch, latent)`, or `(n_samples, batch, latent)`."""

    def __init__(self, n_samples, **kwargs):
        super().__init__(**kwargs)
        self.draws = () if n_samples is None else (n_samples,)
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, inputs):
        mean, log_var = inputs
        shape = (*self.draws, *ops.shape(mean))
        return mean + ops.exp(0.5 * log_var) * keras.random.normal(shape, seed=self.seed_generator)


def keras_layers(described, last_activation=None) -> list[layers.Layer]:
    """Returns the described layers as Keras's, reshaping included."""
    result = []
    for layer in described:
        activation = layer.activation or last_activation
        if layer.flat_input:
            result.append(layers.Flatten())
        if layer.kind == "dense":
            result.append(layers.Dense(layer.outputs, activation=activation))
        else:
            kind = layers.Conv2D if layer.kind == "conv" else layers.Conv2DTranspose
            options = {"strides": 2, "padding": "same", "activation": activation}
            result.append(kind(layer.outputs, KERNEL_SIZE, **options))
        if layer.flat_output:
            result.append(layers.Reshape(layer.flat_output))
    return result


class Model(keras.Model):
    def __init__(self, workload, image_shape):
        super().__init__()
        self.workload = workload
        inputs = keras.Input(image_shape)
        x = inputs if workload.filters else layers.Flatten()(inputs)
        for layer in keras_layers(workload.encoder):
            x = layer(x)
        outputs = []
        for head in workload.heads:
            y = x
            for layer in keras_layers((head,)):
                y = layer(y)
            outputs.append(y)
        self.encoder = keras.Model(inputs, [*outputs, Sampling(workload.n_samples)(outputs)])
        self.decoder = keras.Sequential(
            [
                keras.Input((workload.latent,)),
                *keras_layers(workload.decoder, "sigmoid"),
                layers.Reshape(image_shape),
            ]
        )
        names = ("loss", "reconstruction_loss", "kl_loss")
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}

    @property
    def metrics(self):
        return list(self.trackers.values())

    def losses_of(self, data):
        """Returns the loss and its two parts, each a mean over the batch."""
        mean, log_var, z = self.encoder(data)
        k, channels = self.workload.n_samples, data.shape[-1]
        if k is not None:
            data = tf.tile(data, (k, 1, 1, 1))
        reconstruction = self.decoder(tf.reshape(z, (-1, z.shape[-1])))
        # Keras means over channels.
        entropy = channels * keras.losses.binary_crossentropy(data, reconstruction)
        entropy = tf.reduce_sum(entropy, axis=(1, 2))
        if k is None:
            kl = -0.5 * tf.reduce_sum(1 + log_var - tf.square(mean) - tf.exp(log_var), axis=1)
            parts = tf.reduce_mean(entropy), tf.reduce_mean(kl)
            return parts[0] + self.workload.beta * parts[1], *parts
        entropy = tf.reshape(entropy, (k, -1))
        square = tf.square(z - mean) * tf.exp(-log_var)
        kl = 0.5 * tf.reduce_sum(tf.square(z) - square - log_var, axis=-1)
        bound = tf.reduce_logsumexp(-entropy - kl, axis=0) - math.log(k)
        return -tf.reduce_mean(bound), tf.reduce_mean(entropy), tf.reduce_mean(kl)

    def update(self, values):
        for tracker, value in zip(self.trackers.values(), values, strict=True):
            tracker.update_state(value)
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    def train_step(self, data):
        with tf.GradientTape() as tape:
            values = self.losses_of(data)
        gradients = tape.gradient(values[0], self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return self.update(values)

    def test_step(self, data):
        return self.update(self.losses_of(data))


class KerasIO:
    """One `fit` call per round on images, as in the example."""

    def __init__(self, inputs):
        self.inputs = inputs
        self.workload = inputs.workload
        flat = len(self.workload.input_shape) == 1
        image_shape = (28, 28, 1) if flat else self.workload.input_shape
        self.x = inputs.x.reshape(-1, *image_shape)
        self.model = Model(self.workload, image_shape)
        self.model.compile(keras.optimizers.Adam(LEARNING_RATE, BETA_1, BETA_2, EPSILON))

    def load_weights(self) -> None:
        set_weights(self.model, self.inputs.weights)

    def train(self, steps: int) -> float:
        batch = self.workload.batch
        history = self.model.fit(self.x[: steps * batch], batch_size=batch, epochs=1, verbose=0)
        return history.history["loss"][-1]

    def evaluate(self) -> float:
        x = self.x[:EVALUATION_ROWS]
        logs = self.model.evaluate(x, batch_size=EVALUATION_BATCH, verbose=0, return_dict=True)
        return logs["loss"]
