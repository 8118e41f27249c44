"""Measures how fast a model with a condition trains beside one without, of the same width.

    KERAS_BACKEND=jax .venv/bin/python benchmarks/speed/conditional.py --rounds 9

Both take turns in one process, each with one `fit` on arrays a round, in the opposite order
in the next. Ratios of speed are taken within a round: 1 is as fast, 0.95 takes 5 % longer.
Those of CPU time hold where other processes share the cores.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from contestants.keras_vae_fit import build
from workloads import LEARNING_RATE, WORKLOADS, Workload, training_data

import keras_vae as kv

N_CLASSES = 10


def contestants(workload: Workload, rows: int) -> dict[str, tuple]:
    """Returns the models by name, each with what `fit` takes beside x."""
    rng = np.random.default_rng(0)
    classes, numbers = rng.integers(N_CLASSES, size=rows), rng.normal(size=(rows, 2))
    one_hot = kv.conditions.OneHot
    return {
        "without": (build(workload), {}),
        "one_hot": (build(workload, one_hot(N_CLASSES)), {"condition": classes}),
        "may_be_unknown": (
            build(workload, one_hot(N_CLASSES, unknown=0.1)),
            {"condition": classes},
        ),
        "continuous": (build(workload, kv.conditions.Continuous(2)), {"condition": numbers}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workload", choices=[*WORKLOADS], default="mlp")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, help="steps of a round; the workload's own if absent")
    parser.add_argument("--contestants", help="names with commas between; all if absent")
    args = parser.parse_args()

    workload = WORKLOADS[args.workload]
    steps = args.steps or workload.steps
    x = training_data(workload, steps * workload.batch)
    known = contestants(workload, len(x))
    chosen = args.contestants.split(",") if args.contestants else list(known)
    times = {name: [] for name in dict.fromkeys(["without", *chosen])}
    for name in times:
        known[name][0].compile(keras.optimizers.Adam(LEARNING_RATE))
    for i in range(args.rounds + 1):
        for name in list(times) if i % 2 == 0 else reversed(times):
            vae, beside = known[name]
            start = np.array([time.perf_counter(), time.process_time()])
            vae.fit(x, batch_size=workload.batch, verbose=0, **beside)
            if i:  # The first compiles.
                end = np.array([time.perf_counter(), time.process_time()])
                times[name].append(end - start)

    title = f"{keras.backend.backend()}, {args.workload}, {args.rounds} rounds of {steps} steps"
    head = "| | ms a step | speed, median [min, max] | speed by CPU time |"
    print(f"\n{title}\n\n{head}\n|---|---|---|---|")
    for name, rounds in times.items():
        step = 1e3 * np.median(rounds, axis=0)[0] / steps
        ratios = np.array(times["without"]) / np.array(rounds)
        spread = (f"{np.median(r):.3f} [{r.min():.3f}, {r.max():.3f}]" for r in ratios.transpose())
        print(f"| {name} | {step:.3f} | {' | '.join(spread)} |")


if __name__ == "__main__":
    main()
