"""Trains the `cases` under one engine, as one of its processes; run by the tests.

Usage: run.py ENGINE NUMBER OF_HOW_MANY PORT FILE
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

engine, number, count, port, file = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
sys.path.insert(0, str(Path(__file__).parents[1]))


def tensorflow_devices(n):
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * n)
    return tf


def run():
    import cases

    found = cases.train()
    if number == 0:
        np.savez(file, **found)


if engine == "one":
    run()
elif engine == "mirrored":
    tf = tensorflow_devices(2)
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        run()
elif engine == "torch":
    import torch

    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", address, world_size=count, rank=number)
    run()
    torch.distributed.destroy_process_group()
elif engine == "data_parallel":
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    import keras

    keras.distribution.set_distribution(keras.distribution.DataParallel())
    run()
elif engine == "jax":
    os.environ["JAX_CPU_COLLECTIVES_IMPLEMENTATION"] = "gloo"
    import keras

    keras.distribution.initialize(f"127.0.0.1:{port}", count, number)
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    run()
elif engine == "multi_worker":
    workers = [f"127.0.0.1:{port + i}" for i in range(count)]
    config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": number}}
    os.environ["TF_CONFIG"] = json.dumps(config)
    import tensorflow as tf

    with tf.distribute.MultiWorkerMirroredStrategy().scope():
        run()
