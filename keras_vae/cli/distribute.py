"""`--distribute`: several devices or processes for a training."""

import contextlib
import os
from contextlib import AbstractContextManager

from keras_vae.cli.run_config import RunConfig

# What each runs on.
BACKENDS = {
    "mirrored": "tensorflow",
    "multi_worker": "tensorflow",
    "data_parallel": "jax",
    "torch": "torch",
}


def with_backend(config: RunConfig, name: str | None) -> RunConfig:
    """Returns the config with the backend that a way to distribute runs on.

    Raises:
        ValueError: if the way is unknown, or the config names another backend.
    """
    if name is None:
        return config
    if name not in BACKENDS:
        raise ValueError(f"--distribute is one of {', '.join(BACKENDS)}; received {name!r}.")
    if config.backend not in (None, BACKENDS[name]):
        raise ValueError(
            f"--distribute {name} runs on {BACKENDS[name]}, not on {config.backend}: leave "
            "--backend out."
        )
    return config.changed(backend=BACKENDS[name])


def start(name: str | None) -> AbstractContextManager:
    """Joins the other devices and processes; returns the context in which the model is made.

    It is called before anything is computed.

    Raises:
        ValueError: if the environment does not say which process this is.
    """
    return contextlib.nullcontext() if name is None else _STARTS[name]()


def process_number() -> int:
    """Returns the number of this process, of which the first one writes and reports."""
    from keras_vae import backend

    return backend.process()[0]


def _mirrored():
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        # To try it out on a machine without.
        cpu = tf.config.list_physical_devices("CPU")[0]
        halves = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, halves)
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()
    return tf.distribute.MirroredStrategy().scope()


def _multi_worker():
    import tensorflow as tf

    _check_environment("multi_worker", "TF_CONFIG", "the addresses of the workers")
    return tf.distribute.MultiWorkerMirroredStrategy().scope()


def _data_parallel():
    import keras

    if "KERAS_DISTRIBUTION_JOB_ADDRESSES" in os.environ:
        keras.distribution.initialize()
    return keras.distribution.DataParallel().scope()


def _torch():
    import torch

    _check_environment("torch", "RANK", "the number of this process: start it by torchrun")
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("nccl" if on_gpu else "gloo")
    return contextlib.nullcontext()


def _check_environment(name, variable, meaning):
    if variable not in os.environ:
        raise ValueError(
            f"--distribute {name} needs the environment variable {variable}, {meaning}. "
            "docs/distributed.md has an example."
        )


_STARTS = {
    "mirrored": _mirrored,
    "multi_worker": _multi_worker,
    "data_parallel": _data_parallel,
    "torch": _torch,
}
