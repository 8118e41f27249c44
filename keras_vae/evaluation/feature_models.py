"""Features in which samples are compared: of any Keras model, or of a small one trained here."""

from typing import NamedTuple

import keras
import numpy as np

from keras_vae.evaluation.factors import check_codes
from keras_vae.validation.arrays import check_array

_CHUNK = 2_048  # rows whose distances to all others are in memory at a time


class FeatureClassifier(NamedTuple):
    """A classifier to measure samples with.

    Attributes:
        features: a Keras model from x to the features before the last layer, `(n, 64)`.
        probabilities: a Keras model from x to class probabilities, of the same layers.
        classes: the labels, in the order of the probabilities.
        accuracy: on the tenth of the rows that it was not trained on.
    """

    features: keras.Model
    probabilities: keras.Model
    classes: np.ndarray
    accuracy: float


def features(model, x, batch_size: int = 128) -> np.ndarray:
    """Returns what a Keras model makes of x, as float64 of shape `(n, p)`.

    Args:
        model: any Keras model or layer with one output, run with `training=False`.
        x: data, `(n, *features)`, in the range that the model was trained on.
        batch_size: rows per call.

    Raises:
        ValueError: if x has no rows, or the model gives NaN.
    """
    x = np.asarray(x)
    check_array("x", x)
    if not isinstance(model, keras.Model):
        model = keras.Sequential([keras.Input(x.shape[1:]), model])
    return check_codes(model.predict(x, batch_size=batch_size, verbose=0), "The model's output")


def train_feature_classifier(
    x, y, epochs: int = 3, batch_size: int = 128, seed: int = 0, verbose: int = 1
) -> FeatureClassifier:
    """Trains a small convolutional classifier of images, whose features compare samples.

    For images unlike those that Inception knows, and without a download. Distances by it are no
    FID: call them by the classifier's name, and compare only what the same one measured.

    Args:
        x: images, `(n, height, width, channels)` or `(n, height, width)`.
        y: a label per image, `(n,)`.
        epochs: passes over nine tenths of the rows.
        batch_size: rows per step.
        seed: of weights and of the rows' order.
        verbose: 0 for no progress bar.

    Returns:
        The model of the features, that of the probabilities, the classes, and the accuracy
        on the rows left out.

    Raises:
        ValueError: for other shapes, labels of one class, or fewer than 20 images.

    Example:
        >>> judge = kv.evaluation.train_feature_classifier(x, y)
        >>> real, fake = (kv.evaluation.features(judge.features, a) for a in (x_test, samples))
        >>> kv.evaluation.frechet(real, fake)
    """
    x, labels = np.asarray(x), np.asarray(y)
    check_array("x", x)
    if x.ndim not in (3, 4) or labels.shape != x.shape[:1] or len(x) < 20:
        raise ValueError(
            "x must hold 20 images or more, (n, height, width[, channels]), and y a label each; "
            f"received shapes {x.shape} and {labels.shape}."
        )
    classes, y = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y has one class only, {classes[0]!r}: there is nothing to tell apart.")
    order = np.random.default_rng(seed).permutation(len(x))
    test, train = order[: len(x) // 10], order[len(x) // 10 :]
    body, classifier = _classifier(x, len(classes), seed)
    classifier.compile(
        keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    # The seed has put the rows in order, as Keras's shuffle follows the process's.
    options = {"batch_size": batch_size, "epochs": epochs, "shuffle": False, "verbose": verbose}
    classifier.fit(x[train], y[train], **options)
    predicted = classifier.predict(x[test], batch_size=batch_size, verbose=0).argmax(axis=1)
    return FeatureClassifier(body, classifier, classes, float(np.mean(predicted == y[test])))


def check_features(real, fake, at_least: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns two sets of features in float64.

    Raises:
        ValueError: if they are of different width, have NaN, or fewer than `at_least` rows.
    """
    real, fake = check_codes(real, "real"), check_codes(fake, "fake")
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"real has {real.shape[1]} features and fake {fake.shape[1]}: both must come from the "
            "same model, features(model, x)."
        )
    for name, x in (("real", real), ("fake", fake)):
        if len(x) < at_least:
            raise ValueError(f"{name} has {len(x)} rows; {at_least} or more are needed here.")
    return real, fake


def chunks(n: int) -> list[slice]:
    """Returns slices of `n` rows, so that tables of distances stay small."""
    return [slice(start, start + _CHUNK) for start in range(0, n, _CHUNK)]


def _classifier(x, n_classes, seed):
    """Returns the model up to the features, and the whole one."""
    seeds = iter(range(seed, seed + 5))

    def layer(kind, *args, activation="relu", **options):
        weights = keras.initializers.GlorotUniform(seed=next(seeds))
        return kind(*args, activation=activation, kernel_initializer=weights, **options)

    conv = {"strides": 2, "padding": "same"}
    mean, std = float(x.mean()), float(x.std()) or 1.0
    start = [keras.layers.Reshape((*x.shape[1:], 1))] if x.ndim == 3 else []
    body = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            *start,
            keras.layers.Rescaling(1.0 / std, -mean / std),
            layer(keras.layers.Conv2D, 16, 3, **conv),
            layer(keras.layers.Conv2D, 32, 3, **conv),
            keras.layers.Flatten(),
            layer(keras.layers.Dense, 64),
        ]
    )
    last = layer(keras.layers.Dense, n_classes, activation="softmax", dtype="float32")
    return body, keras.Sequential([keras.Input(x.shape[1:]), body, last])
