"""How time and memory of `fit`, `encode`, `log_likelihood` and `sample` grow with size.

    python benchmarks/scale.py --out scale.json            # some 6 minutes on two cores
    python benchmarks/scale.py --quick
    python benchmarks/scale.py --out scale.json --report   # laws of what was measured, nothing more

One thing grows at a time: rows, width of the layers, size of the code, draws (of
`log_likelihood`; K of an IWAE in `fit`) or processes. Rows are made as they are asked for, by a
generator. Each point is a process of its own, as its peak of memory is, and makes a call several
times, of which the quickest counts, by the clock and in the time of the processor. A point that
the file holds is not measured again, so that a run that was stopped goes on. The laws are fitted
by `scale_laws.py`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from distributed import BACKENDS, free_port, start
from scale_laws import report
from speed.memory import peak_rss_mb, rss_mb

INFERENCE_ROWS = 1000  # rows of a compiled call of all but `fit`


@dataclass(frozen=True)
class Point:
    """What is measured: one function at one size.

    Attributes:
        does: `"fit"`, `"encode"`, `"log_likelihood"`, `"sample"`, or `"read"` for the
            generator alone.
        rows: of one call; in each process where there are several.
        width: units of each of two hidden layers, in the encoder and in the decoder.
        latent: size of the code.
        draws: of a row.
        processes: that share the batches.
        engine: one of `distributed.py` for the points that compare processes, else none.
        features: of a row.
        batch: rows of a step, in each process.
    """

    does: str
    rows: int = 10_000
    width: int = 64
    latent: int = 8
    draws: int = 1
    processes: int = 1
    engine: str = ""
    features: int = 32
    batch: int = 200


@dataclass(frozen=True)
class Axis:
    """What grows, in the points of one function."""

    name: str
    start: Point
    values: tuple

    def points(self) -> list[Point]:
        """Returns the points, smallest first."""
        return [replace(self.start, **{self.name: value}) for value in self.values]


FUNCTIONS = ("fit", "encode", "log_likelihood", "sample")


def axes(quick: bool, engine: str) -> list[Axis]:
    """Returns what is measured."""
    rows = (1_000, 10_000, 100_000) if quick else (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
    widths = (32, 64, 256) if quick else (32, 64, 256, 512, 1024)
    latents = (2, 8, 64) if quick else (2, 8, 64, 512)
    draws = (1, 4, 16) if quick else (1, 4, 16, 64, 256)
    found = []
    for does in FUNCTIONS:
        first = Point(does, draws=4 if does == "log_likelihood" else 1)
        found.append(Axis("rows", first, rows))
        found.append(Axis("width", first, widths))
        found.append(Axis("latent", first, latents))
    found.append(Axis("rows", Point("read"), rows))
    found.append(Axis("draws", Point("log_likelihood"), draws))
    found.append(Axis("draws", Point("fit"), draws[:4]))
    for n_processes in (1, 2):
        together = Point("fit", rows=4_000, engine=engine, processes=n_processes)
        found.append(Axis("width", together, widths[::2]))
    return found


def batches(point: Point, size: int) -> Iterator[tuple[np.ndarray]]:
    """Yields the rows of a point, `size` at a time."""
    rng = np.random.default_rng(0)
    for begin in range(0, point.rows, size):
        shape = min(size, point.rows - begin), point.features
        yield (rng.random(shape, dtype="float32"),)


def call_of(point: Point) -> Callable:
    """Returns what a point measures, a function without arguments."""
    if point.does == "read":
        return lambda: sum(len(x) for (x,) in batches(point, point.batch))

    import keras_vae as kv

    objective = kv.objectives.IWAE(point.draws) if point.does == "fit" and point.draws > 1 else None
    units = (point.width, point.width)
    encoder = kv.VariationalEncoder(point.latent, kv.networks.DenseEncoder(units))
    decoder = kv.networks.DenseDecoder(point.features, units)
    vae = kv.VAE(encoder, decoder, objective=objective)
    vae.build((None, point.features))
    vae.compile("adam")
    size = {"batch_size": INFERENCE_ROWS}
    return {
        "fit": lambda: vae.fit(
            batches(point, point.batch), steps_per_epoch=-(-point.rows // point.batch), verbose=0
        ),
        "encode": lambda: vae.encode(batches(point, INFERENCE_ROWS), **size),
        "log_likelihood": lambda: vae.log_likelihood(
            batches(point, INFERENCE_ROWS), point.draws, seed=0, **size
        ),
        "sample": lambda: vae.sample(point.rows, seed=0, **size),
    }[point.does]


def measure(point: Point, repeats: int, patience: float) -> dict:
    """Makes the calls of a point in this process.

    Args:
        point: the point.
        repeats: how many calls are made, with the first, which compiles.
        patience: seconds of the processor after which no other call is begun, but for a second
            one after a first that took less than four times as long, as the first compiles.
    """
    call = call_of(point)
    before = rss_mb()
    clock, processor = [], []
    while len(clock) < repeats and (
        point.engine or sum(processor) < (patience if len(clock) > 1 else 4.0 * patience)
    ):
        began = time.perf_counter(), time.process_time()
        call()
        clock.append(time.perf_counter() - began[0])
        processor.append(time.process_time() - began[1])
    return {
        "seconds": min(clock),
        "cpu_seconds": min(processor),
        "first_seconds": clock[0],
        "calls": len(clock),
        "memory_mb": peak_rss_mb() - before,
        "imported_mb": before,
    }


def work(point: Point, number: int, port: int, repeats: int, patience: float) -> None:
    """Prints what one process of a point measures."""
    if not point.engine:
        print(json.dumps(measure(point, repeats, patience)))
        return
    # A core for each process, one or several, so that they differ by what they send.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[number % len(cores)]})
    with start(point.engine, number, point.processes, port):
        print(json.dumps(measure(point, repeats, patience)))


def in_new_processes(point: Point, options) -> dict | None:
    """Returns what a point's first process measured, or None if that failed."""
    backend = BACKENDS[point.engine] if point.engine else options.backend
    threads = {"OMP_NUM_THREADS": "1"} if point.engine else {}
    environment = {**os.environ, **threads, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    port, processes = free_port(), []
    for number in range(point.processes):
        arguments = [json.dumps(asdict(point)), number, port, options.repeats, options.patience]
        command = [sys.executable, __file__, "--work", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen(command, env=environment, text=True, **pipes))
    output, errors = processes[0].communicate()
    for process in processes[1:]:
        process.communicate()
    if processes[0].returncode != 0:
        print(f"{point} failed:\n{errors[-2000:]}", file=sys.stderr)
        return None
    return json.loads(output.splitlines()[-1])


def run(points: list[Point], results: list[dict], options) -> None:
    """Measures what is missing, and writes the file after each point."""
    known = [Point(**result["point"]) for result in results]
    missing = [point for point in dict.fromkeys(points) if point not in known]
    for i, point in enumerate(missing):
        found = in_new_processes(point, options)
        if found is None:
            continue
        results.append({"point": asdict(point), "backend": options.backend, **found})
        print(
            f"{i + 1}/{len(missing)} {point.does} rows={point.rows} width={point.width} "
            f"latent={point.latent} draws={point.draws} processes={point.processes}: "
            f"{found['seconds']:.3f} s, {found['cpu_seconds']:.3f} s of the processor, "
            f"{found['memory_mb']:.0f} MB",
            flush=True,
        )
        if options.out:
            beside = options.out.with_suffix(".part")
            beside.write_text(json.dumps(results, indent=1))
            beside.replace(options.out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few and small points")
    parser.add_argument("--backend", default="jax", help="of all points with one process")
    parser.add_argument("--engine", default="torch_processes", help="an engine of distributed.py")
    parser.add_argument("--repeats", type=int, default=4, help="calls of a point, at most")
    parser.add_argument(
        "--patience", type=float, default=8.0, help="CPU seconds of a point's calls"
    )
    parser.add_argument("--out", type=Path, help="a JSON file of all that was measured")
    parser.add_argument("--report", action="store_true", help="measures nothing more")
    parser.add_argument("--plot", type=Path, help="an image of the points and their laws")
    options = parser.parse_args()
    results = json.loads(options.out.read_text()) if options.out and options.out.exists() else []
    if any(result["backend"] != options.backend for result in results):
        parser.error(f"{options.out} holds points of another backend: choose another file.")
    measured = axes(options.quick, options.engine)
    if not options.report:
        run([point for axis in measured for point in axis.points()], results, options)
    report(measured, results, options.plot)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        point, number, port, repeats = json.loads(sys.argv[2]), *map(int, sys.argv[3:6])
        work(Point(**point), number, port, repeats, float(sys.argv[6]))
    else:
        main()
