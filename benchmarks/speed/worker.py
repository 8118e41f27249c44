"""One contestant in a process of its own: runs a round at each `go` on standard input.

Not to be called by hand; `run.py` starts it. Each answer is one line of JSON.
"""

import argparse
import importlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from contestants import contestants
from memory import peak_rss_mb, rss_mb
from workloads import WORKLOADS, Inputs


def serve_training(trainer_class, contestant, inputs, steps, answer, answers) -> None:
    """Answers `go` with the time of a round of `steps` steps, `eval` with the loss."""
    start = time.perf_counter()
    trainer = trainer_class(inputs, *contestant.arguments)
    trainer.load_weights()
    trainer.train(1)
    answers["first_step_seconds"] = time.perf_counter() - start
    # All contestants go on with Adam's moments of one step.
    trainer.load_weights()
    answers["initial_loss"] = trainer.evaluate() if contestant.has_loss else None
    trainer.train(steps)
    answer(answers)
    for line in sys.stdin:
        if line.strip() == "eval":
            answer({"loss": trainer.evaluate() if contestant.has_loss else None})
            continue
        start, cpu_start = time.perf_counter(), time.process_time()
        loss = trainer.train(steps)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
        answer(
            {
                "seconds": seconds,
                "cpu_seconds": cpu_seconds,
                "images": steps * inputs.workload.batch,
                "loss": loss,
                "peak_rss_mb": peak_rss_mb(),
            }
        )


def serve_inference(make_reconstruct, contestant, inputs, sizes, answer, answers) -> None:
    """Answers `go` with the time of one call for each number of images in `sizes`."""
    reconstruct = make_reconstruct(inputs, *contestant.arguments)
    for size in sizes:
        x = inputs.x[:size]
        start = time.perf_counter()
        reconstruct(x)
        answers[f"first_call_seconds_{size}"] = time.perf_counter() - start
        reconstruct(x)
    x = inputs.x[: sizes[-1]]
    answer({**answers, "cross_entropy": cross_entropy(x, reconstruct(x))})
    for _ in sys.stdin:
        answer({str(size): time_per_call(reconstruct, inputs.x[:size]) for size in sizes})


def cross_entropy(x, means) -> float:
    """Returns -log p(x|z) per image, in nats, of the means of a Bernoulli likelihood."""
    log_p = np.log(np.where(x > 0.5, means, 1.0 - means))
    return float(-log_p.sum(axis=1).mean())


def time_per_call(function, x, least_seconds: float = 0.3, least_calls: int = 3) -> float:
    """Returns the mean seconds of calls repeated for `least_seconds`."""
    calls, start = 0, time.perf_counter()
    while True:
        function(x)
        calls += 1
        seconds = time.perf_counter() - start
        if seconds >= least_seconds and calls >= least_calls:
            return seconds / calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("contestant")
    parser.add_argument("inputs", type=Path)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 1024])
    args = parser.parse_args()

    # Libraries print to standard output too; answers keep the pipe for themselves.
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value):
        print(json.dumps(value), file=pipe, flush=True)

    contestant = contestants(args.workload)[args.contestant]
    module = importlib.import_module(f"contestants.{contestant.module}")
    factory = getattr(module, contestant.factory)
    answers = {"rss_mb": rss_mb()}
    inputs = Inputs.read(args.inputs, WORKLOADS[args.workload])
    if args.workload == "inference":
        serve_inference(factory, contestant, inputs, args.sizes, answer, answers)
    else:
        serve_training(factory, contestant, inputs, args.steps, answer, answers)


if __name__ == "__main__":
    main()
