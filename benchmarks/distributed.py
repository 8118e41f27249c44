"""What several devices and processes of one machine gain or cost over one.

    python benchmarks/distributed.py --engines torch_processes --rounds 5

Each engine trains an MLP, 784-400-400-20 by default, on the same rows in batches of the same
size. One device and two take turns;
a ratio above 1 says that two are faster. On a machine whose cores one device uses already it
says what the engine costs.
"""

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

BACKENDS = {
    "mirrored": "tensorflow",
    "multi_worker": "tensorflow",
    "data_parallel": "jax",
    "jax_processes": "jax",
    "torch_processes": "torch",
}
IN_ONE_PROCESS = ("mirrored", "data_parallel")


def start(engine, number, count, port):
    """Joins an engine; returns the scope in which the model is made."""
    if engine == "mirrored" and count > 1:
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        devices = [tf.config.LogicalDeviceConfiguration()] * count
        tf.config.set_logical_device_configuration(cpu, devices)
        return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)]).scope()
    if engine == "multi_worker" and count > 1:
        workers = [f"127.0.0.1:{port + i}" for i in range(count)]
        task = {"type": "worker", "index": number}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})
        import tensorflow as tf

        return tf.distribute.MultiWorkerMirroredStrategy().scope()
    if engine == "data_parallel" and count > 1:
        os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={count}"
        import keras

        return keras.distribution.DataParallel().scope()
    if engine == "jax_processes" and count > 1:
        os.environ["JAX_CPU_COLLECTIVES_IMPLEMENTATION"] = "gloo"
        import keras

        keras.distribution.initialize(f"127.0.0.1:{port}", count, number)
        return keras.distribution.DataParallel().scope()
    if engine == "torch_processes" and count > 1:
        from torch import distributed

        address = f"tcp://127.0.0.1:{port}"
        distributed.init_process_group("gloo", address, world_size=count, rank=number)
    return contextlib.nullcontext()


def work(engine, number, count, port, rows, batch_size, width):
    """Prints the seconds of an epoch, the first one left out, and of one by Keras's own loop."""
    with start(engine, number, count, port):
        import numpy as np

        import keras_vae as kv

        x = np.random.default_rng(0).random((rows, 784), "float32")
        for device_loop in ("auto", False) if count == 1 else ("auto",):
            encoder = kv.VariationalEncoder(20, kv.networks.DenseEncoder((width, width)))
            vae = kv.VAE(encoder, kv.networks.DenseDecoder(784, (width, width)))
            vae.compile("adam", device_loop=device_loop)
            seconds = []
            for _ in range(3):
                begin = time.perf_counter()
                vae.fit(x, batch_size=batch_size, verbose=0)
                seconds.append(time.perf_counter() - begin)
            if number == 0:
                print("seconds", min(seconds[1:]), flush=True)


def free_port():
    """Returns the number of a port of this machine on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def run(engine, count, options):
    """Returns the seconds of an epoch with `count` devices or processes."""
    port = free_port()
    n_processes = 1 if engine in IN_ONE_PROCESS else count
    environment = {**os.environ, "KERAS_BACKEND": BACKENDS[engine]}
    processes = []
    for number in range(n_processes):
        arguments = [engine, number, count, port, options.rows, options.batch_size, options.width]
        command = [sys.executable, Path(__file__), "--work", *map(str, arguments)]
        output = subprocess.PIPE if number == 0 else subprocess.DEVNULL
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command, stdout=output, stderr=quiet, env=environment, text=True)
        processes.append(process)
    lines = processes[0].communicate(timeout=900)[0].splitlines()
    for process in processes[1:]:
        process.wait(timeout=60)
    return [float(line.split()[1]) for line in lines if line.startswith("seconds")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="*", default=list(BACKENDS), choices=list(BACKENDS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--batch-size", type=int, default=200)
    parser.add_argument("--width", type=int, default=400)
    options = parser.parse_args()
    for engine in options.engines:
        ratios, of_loop = [], []
        for _ in range(options.rounds):
            one, keras_loop = run(engine, 1, options)
            (two,) = run(engine, 2, options)
            ratios.append(one / two)
            of_loop.append(keras_loop / two)
        median, low, high = statistics.median(ratios), min(ratios), max(ratios)
        print(
            f"{engine:16} two over one device: {median:.2f} ({low:.2f} to {high:.2f}); over "
            f"Keras's own loop on one: {statistics.median(of_loop):.2f}",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], *map(int, sys.argv[3:]))
    else:
        main()
