"""How a VAE is compiled: what "auto" chooses, each choice with the measurement behind it.

The ratios are of images per second on two CPU cores, see docs/performance.md;
`compile(jit_compile=..., device_loop=...)` overrides them.
"""

import math

import keras

from keras_vae.backend import COMPILES_EACH_SHAPE, RECORDS_STEPS, is_cpu
from keras_vae.backend.keras_internals import flatten_layers

# XLA takes 3 to 5 s and 20 to 50 MB for a loop on TensorFlow, which no one gets back; it saves
# 0.2 ms a step, and 4 ns more for each weight (0.25 ms of 64-32-2, 4 ms of 784-400-400-200).
# So it has paid off after 1e9 steps times weights, these among them: of all fits so far. One fit
# that does a seventh of that says that the model is trained in earnest.
_WORK_IN_ALL, _WORK_AT_ONCE, _WEIGHTS_OF_A_STEP = 1e9, 1.5e8, 50_000

# On torch a step is recorded, for 0.1 to 0.4 s, which saves 1 to 5 ms a step.
_STEPS_TO_RECORD = 100

_CONVOLUTIONS = tuple(
    getattr(keras.layers, kind + dimensions)
    for kind in ("Conv", "SeparableConv", "DepthwiseConv")
    for dimensions in ("1D", "2D", "3D", "1DTranspose", "2DTranspose", "3DTranspose")
    if hasattr(keras.layers, kind + dimensions)
)


def uses_device_loop(vae: keras.Model) -> bool:
    """Returns whether `fit` makes many steps in one compiled call."""
    if not vae.requested_device_loop or vae.run_eagerly or vae.steps_per_execution > 1:
        return False
    # JAX without XLA runs operation by operation: there is no loop to compile. torch.compile is
    # for Keras's own loop.
    if vae.jit_compile != COMPILES_EACH_SHAPE and (COMPILES_EACH_SHAPE or RECORDS_STEPS):
        return False
    if vae.requested_device_loop == "auto" and COMPILES_EACH_SHAPE and is_cpu():
        # A convolution of XLA takes 8 times as long inside a loop as outside of it.
        return all(hasattr(x, "convolves_by_matrices") for x in _convolutions(vae))
    return True


def pays_off(vae: keras.Model, n_steps: int, n_steps_in_all: int) -> bool | None:
    """Returns whether the steps of a run, and all so far, earn what it takes to compile them.

    None if that follows from what a step computes, which the loop of torch counts itself.
    """
    if RECORDS_STEPS:
        if vae.requested_device_loop == "auto" and not _steps_are_known(vae):
            return False
        at_once = vae.requested_device_loop is True or n_steps_in_all >= _STEPS_TO_RECORD
        return True if at_once else None
    if COMPILES_EACH_SHAPE or not is_cpu():
        return True  # Keras compiles each step by XLA there
    if True in (vae.requested_device_loop, vae.requested_jit_compile):
        return True
    weights = sum(math.prod(v.shape) for v in vae.trainable_variables) + _WEIGHTS_OF_A_STEP
    return n_steps * weights >= _WORK_AT_ONCE or n_steps_in_all * weights >= _WORK_IN_ALL


def loops_by_xla(vae: keras.Model) -> bool:
    """Returns whether XLA compiles the device loop on TensorFlow."""
    if vae.requested_jit_compile != "auto" or not is_cpu():
        return vae.jit_compile
    # On a CPU dense networks gain 1.8 with XLA, where Keras goes without; convolutions lose
    # half, as XLA's are slower than oneDNN's.
    return not _convolutions(vae) and all(x.supports_jit for x in flatten_layers(vae))


def updates_by_xla(vae: keras.Model) -> bool:
    """Returns whether XLA compiles the optimizer's update alone, where it does not the loop."""
    # Keras's Adam passes 12 times over the weights; compiled it passes once.
    is_of_keras = type(vae.optimizer).__module__.startswith("keras.")
    return vae.requested_jit_compile == "auto" and is_cpu() and is_of_keras


def prior_by_xla() -> bool | str:
    """Returns whether XLA compiles the steps of `fit_prior`."""
    # The networks of priors are small: on TensorFlow and a CPU it takes longer than it saves.
    return "auto" if COMPILES_EACH_SHAPE or not is_cpu() else False


def _steps_are_known(vae):
    """Returns whether the steps are those of this package: a user's may do more than compute."""
    return all(step.__module__.startswith("keras_vae.") for step in (vae.train_step, vae.test_step))


def _convolutions(vae):
    return [layer for layer in flatten_layers(vae) if isinstance(layer, _CONVOLUTIONS)]
