"""Several devices and several processes train as one device does, killed and restarted or not."""

import contextlib
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import cases
import keras
import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("run.py")
BACKEND = keras.backend.backend()
FEW = ("iwae", "semi_supervised", "beta_tc_vae")
# torch, which compiles nothing, takes all.
NAMES = cases.NAMES if BACKEND == "torch" else FEW


@pytest.fixture(scope="module")
def one():
    """What one device ends with."""
    return cases.train(NAMES)


def free_ports():
    """Returns the first of two ports that nobody has."""
    while True:
        # Not of those that systems give to connections.
        port = random.SystemRandom().randrange(10_000, 16_000)
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port


def run(engine, count, folder, names, *kill):
    """Runs the processes of an engine until they end, or one of them was killed."""
    port = str(free_ports())
    processes = []
    for number in range(count):
        with open(folder / f"{number}.log", "wb") as log:
            arguments = [engine, str(number), str(count), port, str(folder), ",".join(names), *kill]
            command = [sys.executable, SCRIPT, *arguments]
            processes.append(subprocess.Popen(command, stdout=log, stderr=log))
    try:
        deadline = time.monotonic() + 300
        while any(p.poll() is None for p in processes) and time.monotonic() < deadline:
            if any(p.poll() for p in processes):
                break
            time.sleep(0.1)
    finally:
        codes = [p.poll() for p in processes]
        for process in processes:
            process.kill()
            process.wait()
    logs = [(folder / f"{number}.log").read_text()[-3000:] for number in range(count)]
    return codes, "\n".join(logs)


@pytest.mark.parametrize(
    "engine", {"tensorflow": ["mirrored"], "jax": ["data_parallel"], "torch": []}[BACKEND]
)
def test_devices_train_as_one(engine, one, tmp_path):
    codes, logs = run(engine, 1, tmp_path, NAMES)
    assert codes == [0], logs
    cases.assert_same(np.load(tmp_path / "0.npz"), one)


@pytest.mark.parametrize(
    "engine",
    {
        "tensorflow": ["multi_worker"],
        "jax": ["jax_processes"],
        "torch": ["torch_processes"],
    }[BACKEND],
)
def test_a_killed_run_of_two_processes_ends_as_one(engine, one, tmp_path):
    codes, logs = run(engine, 2, tmp_path, ["beta_tc_vae"], "kill")
    assert -9 in codes, logs
    assert (tmp_path / "beta_tc_vae" / "latest.weights.h5").exists()
    assert not (tmp_path / "0.npz").exists()
    # It goes on from the last checkpoint; all other objectives are trained from the start.
    codes, logs = run(engine, 2, tmp_path, NAMES)
    assert codes == [0, 0], logs
    for number in range(2):
        found = np.load(tmp_path / f"{number}.npz")
        assert found["epochs"] == cases.EPOCHS - 2
        cases.assert_same(found, one)
    assert (tmp_path / "model.keras").exists()
