"""How the cost of training grows with batch, latent and image size and the number of samples.

Each point is a process of its own, one after the other. Memory is its peak
without what imports and the array of images take.

    .venv/bin/python benchmarks/speed/scaling.py --backends tensorflow,jax
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from memory import peak_rss_mb, rss_mb
from workloads import WORKLOADS, Inputs, Workload, initial_weights, training_data

AXES = {
    "batch": ("mlp", (10, 30, 100, 300, 1000, 3000)),
    "latent": ("mlp", (2, 20, 200, 2000)),
    "n_samples": ("iwae", (1, 5, 50, 200)),
    "image": ("conv", (16, 32, 64, 128)),
    "rows": ("mlp", (1_000, 10_000, 60_000)),
}
MEANINGS = {
    "batch": "batch size",
    "latent": "latent dimensions",
    "n_samples": "samples K of IWAE",
    "image": "image height and width",
    "rows": "images given to one fit, 100 a batch",
}


def point(axis: str, value: int, steps: int | None) -> tuple[Workload, int]:
    """Returns the workload of one point and the steps of its rounds."""
    workload = WORKLOADS[AXES[axis][0]]
    if axis == "image":
        workload = replace(workload, input_shape=(value, value, 1))
    elif axis != "rows":
        workload = replace(workload, **{axis: value})
    if axis == "rows":
        return workload, value // workload.batch
    # Many, as a fit has a fixed cost too, but not more than fit in memory and time.
    most = min(workload.steps, 100)
    return workload, steps or min(most, max(5, 20_000 // workload.batch))


def measure(workload: Workload, folder: Path, steps: int, rounds: int) -> dict:
    """Trains in this process; the median of the rounds is the cost of a step."""
    from contestants.keras_vae_fit import Fit

    imported = rss_mb()
    inputs = Inputs.read(folder, workload)
    start = time.perf_counter()
    trainer = Fit(inputs, True)
    trainer.load_weights()
    trainer.train(1)
    first = time.perf_counter() - start
    trainer.train(steps)
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        trainer.train(steps)
        seconds.append((time.perf_counter() - start) / steps)
    return {
        "ms_per_step": 1e3 * statistics.median(seconds),
        "us_per_image": 1e6 * statistics.median(seconds) / workload.batch,
        "first_step_seconds": first,
        "memory_mb": peak_rss_mb() - imported - inputs.x.nbytes / 1e6,
    }


def in_new_process(axis: str, value: int, backend: str, args) -> dict | None:
    """Returns `measure` of a new process, or None if that failed."""
    workload, steps = point(axis, value, args.steps)
    with tempfile.TemporaryDirectory() as folder:
        rows = steps * workload.batch
        inputs = Inputs(workload, training_data(workload, rows), initial_weights(workload))
        inputs.write(Path(folder))
        command = [sys.executable, __file__, "--point", axis, str(value), folder]
        options = ["--steps", str(steps), "--rounds", str(args.rounds)]
        environment = {**os.environ, "KERAS_BACKEND": backend}
        done = subprocess.run(
            [*command, *options], env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        print(f"{axis} {value} on {backend} failed:\n{done.stderr[-2000:]}", file=sys.stderr)
        return None
    return {"axis": axis, "value": value, "backend": backend, "steps": steps} | json.loads(
        done.stdout.splitlines()[-1]
    )


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what draws the images
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", default="tensorflow,jax,torch", help="with commas between")
    parser.add_argument("--axes", default=",".join(AXES), help=f"among {', '.join(AXES)}")
    parser.add_argument("--values", help="in place of an axis's own, with commas between")
    parser.add_argument("--steps", type=int, help="of a round; not of the axis rows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a JSON file for all that was measured")
    parser.add_argument("--point", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.point:
        axis, value, folder = args.point
        workload, steps = point(axis, int(value), args.steps)
        print(json.dumps(measure(workload, Path(folder), steps, args.rounds)))
        return

    results = []
    for axis in args.axes.split(","):
        print(f"\n{AXES[axis][0]} by {MEANINGS[axis]}\n")
        print("| backend | value | ms per step | µs per image | first step, s | memory, MB |")
        print("|---|---|---|---|---|---|")
        values = [int(v) for v in args.values.split(",")] if args.values else AXES[axis][1]
        for backend in args.backends.split(","):
            for value in values:
                result = in_new_process(axis, value, backend, args)
                if result is None:
                    continue
                results.append(result)
                print(
                    f"| {backend} | {value} | {result['ms_per_step']:.2f} "
                    f"| {result['us_per_image']:.1f} | {result['first_step_seconds']:.1f} "
                    f"| {result['memory_mb']:.0f} |",
                    flush=True,
                )
    if args.out:
        args.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
