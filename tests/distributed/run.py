"""Trains `cases` under one engine, as one of its processes; run by the tests.

Usage: run.py ENGINE NUMBER COUNT PORT FOLDER CASES [kill]
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

engine, number, count, port, folder, names, *kill = sys.argv[1:]
number, count, port = int(number), int(count), int(port)
sys.path.insert(0, str(Path(__file__).parents[1]))


def run():
    import cases

    is_killed = bool(kill) and number == count - 1
    found = cases.train(names.split(","), folder, is_killed)
    np.savez(f"{folder}/{number}.npz", **found)


if engine == "mirrored":
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        run()
elif engine == "multi_worker":
    workers = [f"127.0.0.1:{port + i}" for i in range(count)]
    task = {"type": "worker", "index": number}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})
    import tensorflow as tf

    with tf.distribute.MultiWorkerMirroredStrategy().scope():
        run()
elif engine == "data_parallel":
    os.environ["XLA_FLAGS"] += " --xla_force_host_platform_device_count=2"
    import keras

    keras.distribution.set_distribution(keras.distribution.DataParallel())
    run()
elif engine == "jax_processes":
    os.environ["JAX_CPU_COLLECTIVES_IMPLEMENTATION"] = "gloo"
    import keras

    keras.distribution.initialize(f"127.0.0.1:{port}", count, number)
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    run()
elif engine == "torch_processes":
    import torch

    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", address, world_size=count, rank=number)
    run()
    torch.distributed.destroy_process_group()
