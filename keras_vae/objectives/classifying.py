"""Classifying: what an objective and a penalty that learn from labels have in common."""

import keras
import numpy as np
from keras import ops

from keras_vae.backend import sum_over_replicas
from keras_vae.objectives.loss_part import LossPart
from keras_vae.typing import Tensor


class Classifying(LossPart):
    """A part of the loss that learns from labels, and so can classify.

    Its logits are divided by a temperature, 1 until `VAE.calibrate` sets it.

    Attributes:
        classifier: a layer to logits, `None` for `default_classifier`.
        classifies_codes: whether it classifies the code of x, not x itself.
    """

    classifies_codes: bool = False
    classifier: keras.layers.Layer | None
    default_classifier: keras.layers.Layer

    def build_classifier(self, shape, n_classes: int) -> None:
        """Builds the classifier and the temperature.

        Args:
            shape: of what it classifies, with the batch.
            n_classes: how many logits it is to give.

        Raises:
            ValueError: if it does not give them.
        """
        place = self.default_classifier if self.classifier is None else self.classifier
        # A symbolic call builds user-made layers that have no `build` too.
        outputs = place(keras.KerasTensor(shape), training=False)
        if tuple(outputs.shape[1:]) != (n_classes,):
            raise ValueError(
                f"The classifier must give logits of {n_classes} classes, shape (batch, "
                f"{n_classes}); it gives {tuple(outputs.shape)}."
            )
        self.log_temperature = self.add_weight((), "zeros", trainable=False, name="log_temperature")

    def logits_of(self, values, training) -> Tensor:
        """Returns the classifier's logits, `(batch, n_classes)`, float32."""
        place = self.default_classifier if self.classifier is None else self.classifier
        return ops.cast(place(values, training=training), "float32")

    def class_logits(self, x, code, training) -> Tensor:
        """Returns logits of x and its code without randomness, `(batch, n_classes)`.

        Args:
            x: data as the encoder gets it.
            code: `(batch, *latent_shape)` where it `classifies_codes`, else `None`.
            training: the mode of the layers.
        """
        raise NotImplementedError

    def class_log_probabilities(self, x, code) -> Tensor:
        """Returns log q(y|x), `(batch, n_classes)`, at the temperature; arguments as above."""
        temperature = ops.exp(ops.convert_to_tensor(self.log_temperature))
        return ops.log_softmax(self.class_logits(x, code, training=False) / temperature)

    def set_temperature(self, log_p: np.ndarray, labels: np.ndarray) -> float:
        """Sets the temperature under which held-out labels are likeliest, and returns it.

        Args:
            log_p: log-probabilities at the present temperature, `(n, n_classes)`.
            labels: the classes, `(n,)`.

        Reference:
            Guo et al., "On calibration of modern neural networks", 2017, section 4.2.
        """
        logits = log_p * np.exp(float(ops.convert_to_numpy(self.log_temperature)))
        log_temperatures = np.linspace(-3.0, 3.0, 601)
        losses = []
        for log_temperature in log_temperatures:
            scaled = logits / np.exp(log_temperature)
            log_norm = np.logaddexp.reduce(scaled, axis=1)
            losses.append((log_norm - scaled[np.arange(len(labels)), labels]).mean())
        best = log_temperatures[np.argmin(losses)]
        self.log_temperature.assign(best)
        return float(np.exp(best))


def one_hot(labels, n_classes: int) -> Tensor:
    """Returns labels as vectors, `(batch, n_classes)`, of zeros where they are unknown."""
    labels = ops.cast(ops.reshape(labels, (-1,)), "int32")
    # Not `ops.one_hot`, which reads the labels on torch.
    classes = ops.arange(n_classes, dtype="int32")
    return ops.cast(ops.equal(ops.expand_dims(labels, -1), classes), "float32")


def mean_over_labelled(log_q, labels, sample_weight) -> Tensor:
    """Returns the cross-entropy of each row, such that its mean is that over labelled rows.

    Args:
        log_q: log-probabilities of the classes, `(batch, n_classes)`.
        labels: the classes, -1 where they are unknown, `(batch,)`.
        sample_weight: shape `(batch,)`, summing to 1.

    Returns:
        Shape `(batch,)`, 0 for rows without a label.
    """
    vectors = one_hot(labels, log_q.shape[-1])
    share = sum_over_replicas(ops.sum(sample_weight * ops.sum(vectors, axis=-1)))
    return -ops.sum(vectors * log_q, axis=-1) / ops.maximum(share, 1e-12)
