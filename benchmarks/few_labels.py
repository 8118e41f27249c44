"""MNIST with 100 labels: M2 and M1+M2, beside classifiers of pixels and of codes.

    pip install scikit-learn
    KERAS_BACKEND=jax python benchmarks/few_labels.py

The labels are drawn anew for each of the runs, ten of each digit, from 50,000 digits, whose
other labels are not seen; errors are those of the 10,000 test digits. The models are those
of Kingma et al., "Semi-supervised learning with deep generative models", 2014, section 4.1,
on a budget of minutes in place of 3,000 passes, with more labelled rows in a batch and higher
rates. Published: M2 11.97 ± 1.71 %, M1+M2 3.33 ± 0.14 %. M2's classifier here is a convolutional
network that sees digits moved by a few pixels, and it stands alone in the table too.
"""

import argparse
import functools
import time
from pathlib import Path
from typing import NamedTuple

import keras
import mnist_data
import numpy as np
from keras import layers
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

import keras_vae as kv

N_CLASSES = 10


class Settings(NamedTuple):
    """Of an M2 model: its networks, and how it is trained."""

    units: int
    n_codes: int
    alpha: float
    likelihood: str
    sigma: str | None
    labelled: int
    batch_size: int
    passes: int
    rate: float


PIXELS = Settings(300, 50, 20.0, "bernoulli", None, 20, 120, 4, 1e-3)
CODES = Settings(500, 10, 1.0, "gaussian", "decoder", 50, 300, 100, 3e-3)


def digits(path: Path | None) -> tuple:
    """Returns 50,000 digits to train on and 10,000 to test, as vectors in [0, 1], with classes."""
    x, y, x_test, y_test = mnist_data.load(path)
    flat = [images.reshape(len(images), -1).astype("float32") / 255 for images in (x, x_test)]
    return flat[0][:50_000], y[:50_000].astype(int), flat[1], y_test.astype(int)


def few(y, per_class: int, seed: int) -> np.ndarray:
    """Returns the labels of some rows of each class, and -1 for the others."""
    rng, labels = np.random.default_rng(seed), np.full(len(y), -1)
    for k in range(N_CLASSES):
        rows = rng.choice(np.flatnonzero(y == k), per_class, replace=False)
        labels[rows] = k
    return labels


def dense(units: tuple, n_out: int | None = None) -> keras.Sequential:
    """Returns softplus layers, and a linear one behind them where `n_out` is given."""
    hidden = [layers.Dense(n, "softplus") for n in units]
    return keras.Sequential([*hidden, *([] if n_out is None else [layers.Dense(n_out)])])


def convolutional() -> keras.Sequential:
    """Returns a classifier of digits that sees each moved by up to three pixels."""
    return keras.Sequential(
        [
            layers.Reshape((28, 28, 1)),
            layers.RandomTranslation(0.1, 0.1, "constant", "nearest"),
            layers.Conv2D(32, 5, 2, "same", activation="relu"),
            layers.Conv2D(64, 3, 2, "same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(128, "relu"),
            layers.Dropout(0.5),
            layers.Dense(N_CLASSES),
        ]
    )


def latent_feature_model(x, passes: int) -> kv.VAE:
    """Returns M1: 50 codes, 500 and 500 softplus units, trained without labels."""
    vae = kv.VAE(kv.VariationalEncoder(50, dense((500, 500))), dense((500, 500), 784))
    rate = keras.optimizers.schedules.CosineDecay(1e-3, passes * len(x) // 200)
    vae.compile(keras.optimizers.Adam(rate))
    rng = np.random.default_rng(0)
    for _ in range(passes):
        # The intensity of a pixel is how often it is on.
        vae.fit((rng.random(x.shape) < x).astype("float32"), batch_size=200, verbose=0)
    return vae


def m2(rows_of_pass, labels, x_test, settings: Settings, classifier) -> np.ndarray:
    """Trains M2 and returns the likeliest classes of x_test.

    Args:
        rows_of_pass: from the number of a pass to the rows to train on.
        labels: their classes, -1 where they are unknown.
        x_test: rows to classify.
        settings: of the model.
        classifier: q(y|x).
    """
    likelihood = kv.likelihoods.get(settings.likelihood)
    if settings.sigma is not None:
        likelihood = kv.likelihoods.Gaussian(settings.sigma)
    n_params = x_test.shape[1] * likelihood.params_per_feature
    vae = kv.VAE(
        kv.VariationalEncoder(settings.n_codes, dense((settings.units,))),
        kv.networks.DenseDecoder(n_params, (settings.units,), "softplus"),
        likelihood,
        condition=kv.conditions.OneHot(N_CLASSES),
        objective=kv.objectives.SemiSupervised(settings.alpha, classifier),
    )
    unlabelled = settings.batch_size - settings.labelled
    steps = settings.passes * len(labels) // unlabelled
    rate = keras.optimizers.schedules.CosineDecay(settings.rate, steps)
    vae.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3))
    for i in range(settings.passes):
        vae.fit(
            rows_of_pass(i),
            labels=labels,
            labelled_per_batch=settings.labelled,
            batch_size=settings.batch_size,
            verbose=0,
        )
    return vae.classify(x_test).argmax(axis=1)


def alone(x, y, x_test) -> np.ndarray:
    """Trains the convolutional classifier on the labelled rows, and returns its classes."""
    network = convolutional()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(1e-3), loss)
    network.fit(x, y, batch_size=50, epochs=300, verbose=0)
    return network.predict(x_test, batch_size=500, verbose=0).argmax(axis=1)


def linear(x, y, x_test) -> np.ndarray:
    """Returns the classes by logistic regression."""
    return LogisticRegression(max_iter=2000).fit(x, y).predict(x_test)


def svm(x, y, x_test) -> np.ndarray:
    """Returns the classes by an SVM whose two numbers are chosen by cross-validation."""
    grid = {"C": [1, 10, 100], "gamma": ["scale", 0.003, 0.01, 0.03]}
    return GridSearchCV(SVC(), grid, cv=5).fit(x, y).predict(x_test)


class Codes(NamedTuple):
    """What M1 makes of the digits, the codes in use only, all by one scale."""

    z_mean: np.ndarray
    z_std: np.ndarray
    test: np.ndarray

    def draw(self, seed: int) -> np.ndarray:
        noise = np.random.default_rng(seed).standard_normal(self.z_mean.shape, "float32")
        return self.z_mean + self.z_std * noise


def encoded(x, x_test, passes: int) -> Codes:
    """Trains M1 and returns its codes."""
    start = time.perf_counter()
    model = latent_feature_model(x, passes)
    (z_mean, z_std, _), test = model.encode_distribution(x), model.encode(x_test)
    used = z_mean.std(axis=0) > 0.1
    scale = z_mean[:, used].std()
    print(f"M1: {used.sum()} codes in use, {time.perf_counter() - start:.0f} s", flush=True)
    return Codes(*(values[:, used] / scale for values in (z_mean, z_std, test)))


def ways(x, x_test, m1_passes: int) -> dict:
    """Returns by name the functions from labels to the classes of the test digits."""
    codes = functools.cache(lambda: encoded(x, x_test, m1_passes))

    def on_pixels(function):
        return lambda labels: function(x[labels >= 0], labels[labels >= 0], x_test)

    def on_codes(function):
        def classes(labels):
            return function(codes().z_mean[labels >= 0], labels[labels >= 0], codes().test)

        return classes

    def m2_on_pixels(labels):
        return m2(lambda i: x, labels, x_test, PIXELS, convolutional())

    def m2_on_codes(labels):
        classifier = dense((CODES.units,), N_CLASSES)
        return m2(codes().draw, labels, codes().test, CODES, classifier)

    return {
        "linear classifier, pixels": on_pixels(linear),
        "SVM, pixels": on_pixels(svm),
        "linear classifier, codes of M1": on_codes(linear),
        "SVM, codes of M1": on_codes(svm),
        "M2's classifier alone, pixels": on_pixels(alone),
        "M2": m2_on_pixels,
        "M1+M2": m2_on_codes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="mnist.npz; downloaded by Keras if not given")
    parser.add_argument("--draws", type=int, default=5, help="of the labels")
    parser.add_argument("--per_class", type=int, default=10, help="labels of each digit")
    parser.add_argument("--m1_passes", type=int, default=60)
    parser.add_argument("--only", nargs="*", help="rows of the table")
    args = parser.parse_args()
    x, y, x_test, y_test = digits(args.data)
    keras.utils.set_random_seed(0)
    labels_of = functools.partial(few, y, args.per_class)
    table = ways(x, x_test, args.m1_passes)
    print(f"\n| {10 * args.per_class} labels, {args.draws} draws | error, % | s a draw |")
    print("|---|---|---|")
    for name in args.only or table:
        errors, start = [], time.perf_counter()
        for i in range(args.draws):
            keras.utils.set_random_seed(i)
            errors.append(100 * (table[name](labels_of(i)) != y_test).mean())
        seconds = (time.perf_counter() - start) / args.draws
        each = ", ".join(f"{error:.1f}" for error in errors)
        error = f"{np.mean(errors):.2f} ± {np.std(errors):.2f} ({each})"
        print(f"| {name} | {error} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
