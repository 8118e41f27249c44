"""Measures how fast keras_vae and its alternatives train, or reconstruct, in turns.

Each contestant is a process of its own, with the same initial weights and
data. They take turns in rounds, so that what disturbs the machine disturbs
them alike, and ratios are taken within a round.

    .venv/bin/python benchmarks/speed/run.py mlp --data mnist.npz
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from contestants import Contestant, contestants
from report import check_losses, inference_table, training_table
from workloads import EVALUATION_ROWS, WORKLOADS, Inputs, initial_weights, training_data

HERE = Path(__file__).parent


class Worker:
    """A running `worker.py`; `log` holds what its libraries printed."""

    def __init__(self, contestant: Contestant, workload: str, folder: Path, steps: int):
        self.name = contestant.name
        self.log = folder / f"{contestant.name}.log"
        command = [sys.executable, HERE / "worker.py", workload, contestant.name, folder]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--steps", str(steps)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **contestant.environment},
            )

    def answer(self) -> dict:
        """Returns the next answer, or raises a RuntimeError with the end of the log."""
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise RuntimeError(f"{self.name} ended:\n{self.log.read_text()[-3000:]}")
        return json.loads(line)

    def ask(self, question: str) -> dict:
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()
        return self.answer()

    def stop(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def measure(chosen: list[Contestant], workload: str, folder: Path, steps: int, rounds: int) -> dict:
    """Returns what each contestant answered, by name; one that fails is left out."""
    workers, results = [], {}
    try:
        for contestant in chosen:  # One after the other, so that first steps are comparable.
            worker = Worker(contestant, workload, folder, steps)
            try:
                answer = worker.answer()
            except RuntimeError as error:
                print(error, file=sys.stderr)
                continue
            workers.append(worker)
            results[contestant.name] = {
                **answer,
                "hand_written": contestant.hand_written,
                "rounds": [],
            }
            print(f"{contestant.name} is ready: {answer}", file=sys.stderr)
        for i in range(rounds):
            for worker in workers if i % 2 == 0 else reversed(workers):
                results[worker.name]["rounds"].append(worker.ask("go"))
            print(f"round {i + 1} of {rounds}", file=sys.stderr)
        if workload != "inference":
            for worker in workers:
                results[worker.name]["final_loss"] = worker.ask("eval")["loss"]
    finally:
        for worker in workers:
            worker.stop()
    return results


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what draws the images
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="steps of a round; the workload's own if absent")
    parser.add_argument("--contestants", help="names with commas between; all if absent")
    parser.add_argument("--data", type=Path, help="mnist.npz, for mlp, iwae and inference")
    parser.add_argument("--reference", help="divided by; the fastest hand-written if absent")
    parser.add_argument("--out", type=Path, help="a JSON file for all that was measured")
    args = parser.parse_args()

    known = contestants(args.workload)
    names = list(dict.fromkeys(args.contestants.split(","))) if args.contestants else list(known)
    if not known.keys() >= set(names):
        parser.error(f"{args.workload} has the contestants {', '.join(known)}.")
    workload = WORKLOADS[args.workload]
    steps = args.steps or workload.steps
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = max(1024, EVALUATION_ROWS, steps * workload.batch)
        x = training_data(workload, rows, args.data)
        Inputs(workload, x, initial_weights(workload)).write(folder)
        chosen = [known[name] for name in names]
        results = measure(chosen, args.workload, folder, steps, args.rounds)
    if args.out:
        args.out.write_text(json.dumps(results, indent=1))
    if not results:
        sys.exit("No contestant ran.")
    if args.workload == "inference":
        # pythae decodes a draw, which costs a little.
        check_losses({n: r["cross_entropy"] for n, r in results.items()}, "reconstruction", 0.03)
        print(inference_table(results, args.reference))
        return
    check_losses({n: r["initial_loss"] for n, r in results.items()}, "initial", 0.002)
    check_losses({n: r["final_loss"] for n, r in results.items()}, "final", 0.02)
    print(f"{args.workload}, {args.rounds} rounds of {steps} steps of {workload.batch} images\n")
    print(training_table(results, args.reference))


if __name__ == "__main__":
    main()
