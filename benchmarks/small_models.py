"""Measures what many small models, and one model on data of many sizes, cost beside plain Keras.

    KERAS_BACKEND=tensorflow python benchmarks/small_models.py

Plain Keras is a `keras.Model` with the same networks, noise and loss, written by hand. Each has
a process of its own, so that memory is its own; they take turns, one waiting while the other
works. MB are resident memory that stays after a model is deleted, or between two fits of one;
as some MB come and go, of 20 models a tenth of one is noise.
"""

import argparse
import ctypes
import functools
import gc
import multiprocessing
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "speed"))

import keras
import numpy as np
from keras import ops
from memory import rss_mb

import keras_vae as kv

N_FEATURES, LATENT_DIM, WIDTH = 64, 2, 32
WARM_UP = 3  # models or fits that are not counted


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


def trained(name, rows, options) -> keras.Model:
    """Returns a new model of a contestant after its first fit."""
    model = CONTESTANTS[name]()
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(data(rows), **options)
    return model


@functools.cache
def kept_model(name) -> keras.Model:
    """Returns the one model of this process that is fitted again and again."""
    return trained(name, 2_000, {"verbose": 0})


def small_model(name, rows, options) -> tuple[float, float]:
    """Returns what it costs to train one model from the beginning and to forget it."""
    return measured(lambda: trained(name, rows, options))


def later_fit(name, rows, options) -> tuple[float, float]:
    """Returns what another fit of a model costs."""
    model, x = kept_model(name), data(rows)
    return measured(lambda: model.fit(x, **options))


def data(n):
    return (np.random.default_rng(n).random((n, N_FEATURES)) < 0.3).astype("float32")


def measured(function) -> tuple[float, float]:
    """Returns the seconds of a call and the MB that stay after it."""
    memory = settled_mb()
    start = time.perf_counter()
    function()
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
        print(f"| {name} | {spread} | {statistics.mean(memory):.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--sizes", type=int, default=12, help="how many sizes of the data")
    parser.add_argument("--rows", type=int, default=300, help="for each small model")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch_size", type=int, default=32)
    args = parser.parse_args()

    options = {"epochs": args.epochs, "batch_size": args.batch_size, "verbose": 0}
    context = multiprocessing.get_context("spawn")
    processes = {name: ProcessPoolExecutor(1, context) for name in CONTESTANTS}

    def in_turn(title, function, sizes):
        """Reports what a function costs each contestant at these sizes, after the first ones."""
        results = {name: [] for name in CONTESTANTS}
        for rows in sizes:
            for name, process in processes.items():
                results[name].append(process.submit(function, name, rows, options).result())
        report(
            f"{keras.backend.backend()}, {title}",
            {name: rows[WARM_UP:] for name, rows in results.items()},
        )

    title = f"{args.rows} rows, {args.epochs} epochs of batches of {args.batch_size}"
    n = args.models + WARM_UP
    in_turn(f"{args.models} small models, {title}:", small_model, [args.rows] * n)
    n = args.sizes + WARM_UP
    in_turn(f"{args.sizes} later fits of one size:", later_fit, [2_000] * n)
    sizes = [2_000 + 37 * (i + 1) for i in range(n)]
    in_turn(f"{args.sizes} later fits each of another size:", later_fit, sizes)
    for process in processes.values():
        process.shutdown()


if __name__ == "__main__":
    main()
