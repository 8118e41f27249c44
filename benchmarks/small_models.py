"""Measures what many small models, and one model on data of many sizes, cost beside plain Keras.

    KERAS_BACKEND=tensorflow python benchmarks/small_models.py

Plain Keras is a `keras.Model` with the same networks, noise and loss, written by hand. Both
take turns in one process, after one model of each. MB are resident memory that stays after
the model is deleted, or between two fits of one model.
"""

import argparse
import ctypes
import gc
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "speed"))

import keras
import numpy as np
from keras import ops
from memory import rss_mb

import keras_vae as kv

N_FEATURES, LATENT_DIM, WIDTH = 64, 2, 32


class PlainVAE(keras.Model):
    """What one writes by hand, with the loss as layers add it."""

    def __init__(self):
        super().__init__()
        layers = keras.layers
        self.encoder = keras.Sequential([layers.Dense(WIDTH, "relu"), layers.Dense(2 * LATENT_DIM)])
        self.decoder = keras.Sequential([layers.Dense(WIDTH, "relu"), layers.Dense(N_FEATURES)])
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, x):
        z_mean, z_log_var = ops.split(self.encoder(x), 2, axis=-1)
        noise = keras.random.normal(ops.shape(z_mean), seed=self.seed_generator)
        logits = self.decoder(z_mean + ops.exp(0.5 * z_log_var) * noise)
        cross_entropy = ops.binary_crossentropy(x, logits, from_logits=True)
        kl = 0.5 * (ops.square(z_mean) + ops.exp(z_log_var) - z_log_var - 1.0)
        self.add_loss(ops.mean(ops.sum(cross_entropy, axis=-1) + ops.sum(kl, axis=-1)))
        return logits


def make_vae() -> keras.Model:
    """Returns the same model of this package."""
    return kv.VAE(
        kv.VariationalEncoder(LATENT_DIM, kv.networks.DenseEncoder((WIDTH,))),
        kv.networks.DenseDecoder((N_FEATURES,), (WIDTH,)),
    )


CONTESTANTS = {"keras_vae": make_vae, "plain Keras": PlainVAE}


def small_model(make, args) -> None:
    """Trains one model from the beginning, and forgets it."""
    model = make()
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(data(args.rows), epochs=args.epochs, batch_size=args.batch_size, verbose=0)


def data(n):
    return (np.random.default_rng(n).random((n, N_FEATURES)) < 0.3).astype("float32")


def measured(function, *inputs) -> tuple[float, float]:
    """Returns the seconds of a call and the MB that stay after it."""
    memory = settled_mb()
    start = time.perf_counter()
    function(*inputs)
    seconds = time.perf_counter() - start
    return seconds, settled_mb() - memory


def settled_mb():
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what is free is not in use
    return rss_mb()


def report(title, results) -> None:
    print(f"\n{title}\n\n| | seconds, median [min, max] | MB, mean |\n|---|---|---|")
    for name, rows in results.items():
        seconds, memory = zip(*rows, strict=True)
        spread = f"{statistics.median(seconds):.2f} [{min(seconds):.2f}, {max(seconds):.2f}]"
        print(f"| {name} | {spread} | {statistics.mean(memory):.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--sizes", type=int, default=12, help="how many sizes of the data")
    parser.add_argument("--rows", type=int, default=300, help="for each small model")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch_size", type=int, default=32)
    args = parser.parse_args()

    results = {name: [] for name in CONTESTANTS}
    for i in range(args.models + 1):
        for name, make in CONTESTANTS.items():
            result = measured(small_model, make, args)
            if i:
                results[name].append(result)
    title = f"{args.rows} rows, {args.epochs} epochs of batches of {args.batch_size}"
    report(f"{keras.backend.backend()}, {args.models} small models, {title}:", results)

    models = {name: make() for name, make in CONTESTANTS.items()}
    options = {"epochs": args.epochs, "batch_size": args.batch_size, "verbose": 0}
    for model in models.values():
        model.compile(keras.optimizers.Adam(1e-3))
        model.fit(data(2_000), **options)
    for title, step in (("of one size", 0), ("each of another size", 37)):
        results = {name: [] for name in CONTESTANTS}
        for i in range(args.sizes):
            for name, model in models.items():
                x = data(2_000 + step * (i + 1))
                results[name].append(measured(lambda m, x: m.fit(x, **options), model, x))
        report(f"{keras.backend.backend()}, {args.sizes} later fits {title}:", results)


if __name__ == "__main__":
    main()
