import os
from pathlib import Path
from zlib import crc32

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
# Small models: compiling costs more than what optimizing saves.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)
# Not what this user has configured, nor a home that is not there.
os.environ["KERAS_HOME"] = str(Path(__file__).parents[1] / ".pytest_cache/keras")
os.environ["MPLCONFIGDIR"] = str(Path(__file__).parents[1] / ".pytest_cache/matplotlib")
# What one test compiled serves the others, in both processes and in the next run.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache/jax")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import keras
import numpy as np
import pytest
from helpers import N_FEATURES

from keras_vae.training import policy

pytest.register_assert_rewrite("contracts")
BY_XLA = {"loops_by_xla": policy.loops_by_xla, "updates_by_xla": policy.updates_by_xla}


# Folders of which torch takes all, and TensorFlow and JAX a quarter each.
IN_TURN = {
    "callbacks",
    "conditions",
    "encoders",
    "estimators",
    "evaluation",
    "likelihoods",
    "model",
    "networks",
    "objectives",
    "posteriors",
    "priors",
}


def pytest_addoption(parser):
    parser.addoption("--whole", action="store_true", help="all on TensorFlow and JAX, not in turn")


def pytest_collection_modifyitems(config, items):
    """Leaves out what is another backend's turn; torch, which compiles nothing, takes all."""
    backend = keras.backend.backend()
    if backend == "torch" or config.getoption("whole"):
        return
    left = [item for item in items if takes_turns(item) and turn(item) != backend]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def takes_turns(item) -> bool:
    """Contracts choose their parts, and what is for some backends runs on all of them."""
    if "in_turn" in item.keywords:
        return True
    return item.path.parent.name in IN_TURN and not item.cls and "skipif" not in item.keywords


def turn(item) -> str:
    """Returns whose turn a test is; the values of a parameter take turns.

    Of what is marked TensorFlow and JAX take half each, as not all of it runs on torch.
    """
    number = crc32(item.originalname.encode())
    if hasattr(item, "callspec"):
        number += sum(item.callspec.indices.values())
    backends = ["tensorflow", "jax"] + 2 * ["torch"] * ("in_turn" not in item.keywords)
    return backends[number % len(backends)]


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _without_xla():
    """XLA takes longer to compile on TensorFlow than such models to train; marked tests use it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy, "loops_by_xla", lambda vae: vae.jit_compile)
        patch.setattr(policy, "updates_by_xla", lambda vae: False)
        _rewrite_graphs(False)
        yield


@pytest.fixture(autouse=True)
def _with_xla(request, monkeypatch):
    if "xla" not in request.keywords:
        yield
        return
    for name, function in BY_XLA.items():
        monkeypatch.setattr(policy, name, function)
    _rewrite_graphs(True)
    yield
    _rewrite_graphs(False)


def _rewrite_graphs(on: bool):
    """Sets whether TensorFlow rewrites graphs to be faster: small ones take less time as they are.

    That saves a fifth of the time of tests that train.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not on})


@pytest.fixture(scope="session")
def x():
    """256 binary samples with structure: three prototypes, 10 % of bits flipped."""
    rng = np.random.default_rng(0)
    prototypes = rng.random((3, N_FEATURES)) < 0.5
    samples = prototypes[rng.integers(3, size=256)] ^ (rng.random((256, N_FEATURES)) < 0.1)
    return samples.astype("float32")
