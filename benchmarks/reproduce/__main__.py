"""Runs a published table again, with several seeds, and prints it beside the paper's.

    ./scripts/reproduce static_mnist
    ./scripts/reproduce iwae --length 4 --seeds 1
    ./scripts/reproduce vampprior --cases VampPrior --data mnist.npz

What was found is kept under `reproduced/`, by row and options: a run that was killed goes on from
its last epoch, and a table that was finished is printed again at once. Several processes may share
the work by `--cases` and `--only-seed`.
"""

import argparse
import time
from pathlib import Path

import disentangling
import hypersphere
import importance_weighted
import iwae
import jobs
import latent_size
import sigma
import static_mnist
import vampprior
from results import Results
from row import Row
from table import table

ROWS: dict[str, type[Row]] = {
    "static_mnist": static_mnist.StaticMNIST,
    "iwae": iwae.IWAE,
    "vampprior": vampprior.VampPrior,
    "disentangling": disentangling.Disentangling,
    "hypersphere": hypersphere.Hypersphere,
    "sigma": sigma.Sigma,
    "importance_weighted": importance_weighted.ImportanceWeighted,
    "latent_size": latent_size.LatentSize,
    "labels": jobs.Labels,
    "quadrants": jobs.Quadrants,
    "holes": jobs.Holes,
    "anomalies": jobs.Anomalies,
}


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./scripts/reproduce",
        description=__doc__.partition("\n")[0],
        epilog="\n".join(_about(name) for name in ROWS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("row", choices=ROWS, metavar="ROW")
    parser.add_argument("--length", type=int, help="of training; `whole` is the paper's")
    parser.add_argument("--draws", type=int, help="importance samples; by default the paper's")
    parser.add_argument("--seeds", type=int, help="how many, from 0 on; by default 3")
    parser.add_argument("--only-seed", type=int, help="runs one alone")
    parser.add_argument("--cases", nargs="+", help="runs these rows of the table alone")
    parser.add_argument("--data", type=Path, help="mnist.npz; downloaded by Keras if not given")
    parser.add_argument("--out", type=Path, default=Path("reproduced"))
    args = parser.parse_args()
    kind = ROWS[args.row]
    args.length = kind.length if args.length is None else args.length
    args.seeds = kind.seeds if args.seeds is None else args.seeds
    return args


def _about(name: str) -> str:
    kind = ROWS[name]
    said = (kind.__doc__ or "").partition("\n")[0]
    return f"{name}: {said} --length {kind.length} {kind.unit}, whole {kind.whole}."


def main() -> None:
    args = parsed()
    row = ROWS[args.row](args)
    unknown = set(args.cases or ()) - set(row.cases())
    if unknown:
        raise SystemExit(f"No such cases: {sorted(unknown)}. There are {row.cases()}.")
    results = Results(args.out / args.row, row.options())
    seeds = range(args.seeds)
    for seed in seeds if args.only_seed is None else [args.only_seed]:
        for case in args.cases or row.cases():
            found = results.measure(case, seed, row.run)
            figures = ", ".join(f"{k} {v:.4g}" for k, v in found["figures"].items())
            now = time.strftime("%H:%M:%S")
            print(f"{now} {case}, seed {seed}: {figures}, {found['minutes']:.1f} min", flush=True)
    print(f"\n{args.row}: {row.args.length} {row.unit} (the paper's: {row.whole})\n")
    print(table(row, results, seeds))


if __name__ == "__main__":
    main()
