"""Contestants by name: which class of which module, and what its process needs.

A trainer is made from `Inputs` and has `load_weights()`, which sets the
initial weights; `train(steps)`, which runs one epoch of as many steps and
returns its loss; and `evaluate()`, which returns the loss without training.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Contestant:
    name: str
    module: str
    factory: str
    backend: str | None = None  # KERAS_BACKEND
    arguments: tuple = ()
    hand_written: bool = False
    has_loss: bool = True

    @property
    def environment(self) -> dict[str, str]:
        # Without caches of earlier runs, first steps are the same in each run.
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
        if self.backend is not None:
            environment["KERAS_BACKEND"] = self.backend
        return environment


def _keras(prefix, module, factory, *arguments):
    return [
        Contestant(f"{prefix}[{backend}]", module, factory, backend, arguments)
        for backend in ("tensorflow", "jax", "torch")
    ]


def _hand(name, module, factory, *arguments):
    return Contestant(name, module, factory, arguments=arguments, hand_written=True)


_TRAINING = [
    *_keras("keras_vae", "keras_vae_fit", "Fit", True),
    *_keras("stock", "keras_vae_fit", "Fit", False),
    Contestant("keras_io", "keras_io", "KerasIO", "tensorflow"),
    Contestant("pythae", "pythae_train", "Pythae"),
    _hand("torch", "torch_loop", "TorchLoop", False),
    _hand("torch_compile", "torch_loop", "TorchLoop", True),
    _hand("hand_jax", "hand_jax", "EpochLoop"),
    _hand("hand_jax_step", "hand_jax", "StepLoop"),
    _hand("hand_tf_graph", "hand_tensorflow", "GraphSteps"),
    _hand("hand_tf_xla", "hand_tensorflow", "XLALoop"),
    _hand("hand_tf_loop", "hand_tensorflow", "GraphLoop"),
    Contestant("gemm_floor", "gemm_floor", "GemmFloor", has_loss=False),
]

_INFERENCE = [
    *_keras("keras_vae_reconstruct", "inference", "keras_vae_reconstruct"),
    *_keras("keras_vae_encode_decode", "inference", "keras_vae_encode_decode"),
    *_keras("keras_predict", "inference", "keras_predict"),
    Contestant("pythae", "inference", "pythae_reconstruct"),
    _hand("torch", "inference", "torch_eager"),
    _hand("hand_jax", "inference", "jax_jit"),
    _hand("hand_tf_graph", "inference", "tensorflow_function", False),
    _hand("hand_tf_xla", "inference", "tensorflow_function", True),
]


def contestants(workload: str) -> dict[str, Contestant]:
    """Returns the contestants of a workload by name."""
    listed = _INFERENCE if workload == "inference" else _TRAINING
    return {contestant.name: contestant for contestant in listed}
