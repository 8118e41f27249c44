"""Measures how fast `fit` trains on streams beside the array that they are made of.

    KERAS_BACKEND=jax .venv/bin/python benchmarks/speed/streams.py --rounds 5
    KERAS_BACKEND=jax .venv/bin/python benchmarks/speed/streams.py --memory-map 8

All take turns in one process, each with one `fit` a round, in the opposite order in the next:
the array, each stream by the package's loop ("chunks") and by Keras's own ("Keras"). Ratios of
speed are taken within a round: 1 is as fast as the array, 0.9 takes 11 % longer. "alone" is what
a batch takes to read where nothing is trained. `--memory-map` trains one epoch on a file of so
many GB, which holds only zeros, and prints the resident memory.
"""

import argparse
import itertools
import os
import tempfile
import time
from dataclasses import replace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from contestants.keras_vae_fit import build
from memory import peak_rss_mb, rss_mb
from workloads import LEARNING_RATE, WORKLOADS, training_data

SMALL = replace(
    WORKLOADS["mlp"], name="small", steps=1000, latent=4, input_shape=(64,), units=(32,)
)


class Numbered(keras.utils.PyDataset):
    """Random rows, or those in order."""

    def __init__(self, x, batch):
        super().__init__()
        self.x, self.batch, self.order = x, batch, np.random.default_rng(0).permutation(len(x))

    def __len__(self):
        return len(self.x) // self.batch

    def __getitem__(self, i):
        return (self.x[self.order[i * self.batch : (i + 1) * self.batch]],)


def tf_data(x, batch, shuffle=False):
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    rows = tf.data.Dataset.from_tensor_slices(x)
    return (rows.shuffle(10_000, seed=0) if shuffle else rows).batch(batch)


def loader(x, batch):
    import torch

    torch.set_num_threads(1)
    data = torch.utils.data.TensorDataset(torch.from_numpy(x))
    return torch.utils.data.DataLoader(data, batch, shuffle=True)


def without_end(x, batch):
    for start in itertools.cycle(range(0, len(x), batch)):
        yield (x[start : start + batch],)


def memory_map(x):
    file = tempfile.NamedTemporaryFile(suffix=".bin")  # noqa: SIM115
    x.tofile(file.name)
    mapped = np.memmap(file.name, x.dtype, "r", shape=x.shape)
    file.close()
    return mapped


def sources(x, batch, steps):
    """Returns by name what makes each source, and the options of `fit` for it."""
    tensors, mapped = tf_data(x, batch), memory_map(x)
    shuffled, loaded, numbered = tf_data(x, batch, True), loader(x, batch), Numbered(x, batch)
    return {
        "tf.data": (lambda: tensors, {}),
        "shuffled tf.data": (lambda: shuffled, {}),
        "PyDataset": (lambda: numbered, {}),
        "generator": (lambda: without_end(x, batch), {"steps_per_epoch": steps}),
        "DataLoader": (lambda: loaded, {}),
        "memory map": (lambda: mapped, {"batch_size": batch}),
    }


def alone(make, steps):
    """Returns the µs that a batch takes to read, or NaN where rows are read, not batches."""
    stream = make()
    if isinstance(stream, np.memmap):
        return float("nan")
    start = time.perf_counter()
    for batch in itertools.islice(iter(stream), steps):
        np.asarray(batch[0] if isinstance(batch, (list, tuple)) else batch)
    return 1e6 * (time.perf_counter() - start) / steps


def compare(args):
    """Prints the table."""
    workload = SMALL if args.workload == "small" else WORKLOADS[args.workload]
    steps = args.steps or workload.steps
    x = training_data(WORKLOADS["mlp"], steps * workload.batch)
    x = np.ascontiguousarray(x[:, :64]) if args.workload == "small" else x
    x = x if len(workload.input_shape) == 1 else training_data(workload, steps * workload.batch)
    known = sources(x, workload.batch, steps)
    chosen = args.sources.split(",") if args.sources else list(known)
    runs = {"array": (lambda: x, {"batch_size": workload.batch}, True)}
    for name in chosen:
        for loop in (True, False) if args.keras else (True,):
            runs[f"{name}, {'chunks' if loop else 'Keras'}"] = (*known[name], loop)
    vaes = {}
    for loop in (True, False):
        vaes[loop] = build(workload)
        options = {} if loop else {"device_loop": False}
        vaes[loop].compile(keras.optimizers.Adam(LEARNING_RATE), **options)
    times = {name: [] for name in runs}
    for i in range(args.rounds + 1):
        for name in list(runs) if i % 2 == 0 else reversed(runs):
            make, options, loop = runs[name]
            start = np.array([time.perf_counter(), time.process_time()])
            vaes[loop].fit(make(), verbose=0, **options)
            if i:  # The first compiles.
                times[name].append(np.array([time.perf_counter(), time.process_time()]) - start)

    print(
        f"\n{keras.backend.backend()}, {args.workload}, {args.rounds} rounds of {steps} steps\n\n"
        "| | alone, µs a batch | ms a step | speed ÷ array, median [min, max] | by CPU time |\n"
        "|---|---|---|---|---|"
    )
    for name, rounds in times.items():
        reading = alone(runs[name][0], steps) if name.endswith("chunks") else float("nan")
        step = 1e3 * np.median(rounds, axis=0)[0] / steps
        ratios = (np.array(times["array"]) / np.array(rounds)).transpose()
        spread = (f"{np.median(r):.2f} [{r.min():.2f}, {r.max():.2f}]" for r in ratios)
        print(f"| {name} | {reading:.0f} | {step:.3f} | {' | '.join(spread)} |")


def train_on_memory_map(gigabytes):
    """Prints the resident memory of an epoch over a memory map."""
    workload = WORKLOADS["mlp"]
    vae = build(workload)
    vae.compile(keras.optimizers.Adam(LEARNING_RATE))
    x = training_data(workload, 10_000)
    vae.fit(x, batch_size=workload.batch, verbose=0)
    before = rss_mb()
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        rows = int(gigabytes * 1e9 / x[:1].nbytes)
        file.truncate(rows * x[:1].nbytes)
        mapped = np.memmap(file.name, "float32", "r", shape=(rows, *workload.input_shape))
        start = time.perf_counter()
        vae.fit(mapped, batch_size=workload.batch, verbose=0)
        step = 1e3 * (time.perf_counter() - start) / (rows / workload.batch)
    print(
        f"\n{keras.backend.backend()}: {gigabytes} GB, {step:.2f} ms a step; resident "
        f"{before:.0f} MB before, {peak_rss_mb():.0f} MB at most"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workload", choices=["small", *WORKLOADS], default="mlp")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="steps of a round; the workload's own if absent")
    parser.add_argument("--sources", help="names with commas between; all if absent")
    parser.add_argument("--no-keras", dest="keras", action="store_false", help="chunks only")
    parser.add_argument("--memory-map", type=float, metavar="GB")
    args = parser.parse_args()
    if args.memory_map:
        train_on_memory_map(args.memory_map)
    else:
        compare(args)


if __name__ == "__main__":
    main()
