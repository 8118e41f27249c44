"""Measures on a GPU how fast `fit` on torch is with CUDA graphs, without, and by hand.

The four take turns in one process, on one model each of the same weights:

    KERAS_BACKEND=torch python benchmarks/speed/cuda_graphs.py mlp iwae conv
"""

import argparse
import logging
import statistics
import time

import torch
from contestants.keras_vae_fit import Fit
from contestants.torch_loop import TorchLoop
from workloads import WORKLOADS, Inputs, initial_weights, training_data

from keras_vae.backend.torch_tape import recorded_step
from keras_vae.backend.torch_tape.errors import CannotRecordError


def refuse(*args):
    raise CannotRecordError("It is measured without.")


def contestants(inputs: Inputs, steps: int) -> dict:
    """Returns trainers by name, after a round in which each is recorded."""
    recorded_step.CAPTURES = True  # off by default
    capture = recorded_step.captured
    made = {
        "hand-written": TorchLoop(inputs, False),
        "graph": Fit(inputs, True),
        "tape": Fit(inputs, True),
        "Keras's loop": Fit(inputs, False),
    }
    for name, trainer in made.items():
        recorded_step.captured = refuse if name == "tape" else capture
        trainer.load_weights()
        start = time.perf_counter()
        trainer.train(steps)
        print(f"  {name}: first round {time.perf_counter() - start:.2f} s")
    recorded_step.captured = capture
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", default=["mlp"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args()
    logging.basicConfig()
    logging.getLogger("keras_vae").setLevel(logging.DEBUG)  # says what runs without a graph
    print(torch.__version__, torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu")
    for name in args.workloads:
        workload = WORKLOADS[name]
        x = training_data(workload, max(1024, args.steps * workload.batch), None)
        made = contestants(Inputs(workload, x, initial_weights(workload)), args.steps)
        speeds, losses = {who: [] for who in made}, {}
        for turn in range(args.rounds):
            for who in list(made) if turn % 2 == 0 else reversed(made):
                start = time.perf_counter()
                losses[who] = made[who].train(args.steps)
                speeds[who].append(args.steps / (time.perf_counter() - start))
        print(f"{name}: {args.rounds} rounds of {args.steps} steps; speed ÷ hand-written")
        for who, found in speeds.items():
            ratios = [a / b for a, b in zip(found, speeds["hand-written"], strict=True)]
            print(
                f"  {who}: {statistics.median(found):.0f} steps/s, "
                f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}], "
                f"loss {losses[who]:.2f}"
            )


if __name__ == "__main__":
    main()
