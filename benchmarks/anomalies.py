"""Ten anomaly sets: keras_vae beside PyOD's VAE, PCA, IForest, KNN and ECOD.

    pip install pyod
    KERAS_BACKEND=torch python benchmarks/anomalies.py --data odds
    KERAS_BACKEND=torch python benchmarks/anomalies.py --data odds --contamination 0.1

The folder holds a `.npz` file for each set of the ODDS collection, with `x`, rows of numbers, and
`y`, 1 for an anomaly. As PyOD's own benchmark does: 60 % of the rows to train on, anomalies among
them, without labels; AUROC on the others; standardized by the training rows. One setting serves
all sets. PyOD runs in a process of its own; `--pyod FOLDER` says where it is, if not installed.

With `--contamination` the same model is trained on usual rows alone, and with so large a share of
anomalies among them: plainly, trimmed, and with weights of its rows. What does contamination cost
each of the three?
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

OURS = "keras_vae"
STEPS, BATCH_SIZE = 1_000, 128


def area(y, scores) -> float:
    """Returns the area under the ROC curve."""
    return float(roc_auc_score(y, scores))


def load(data: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yields each set's name, rows and labels."""
    for path in sorted(Path(data).glob("*.npz")):
        with np.load(path) as file:
            yield path.stem, file["x"].astype("float64"), file["y"].astype(int).ravel()


def split(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the numbers of the rows to train on, 60 %, and of the others."""
    return tuple(np.split(np.random.default_rng(seed).permutation(n), [int(0.6 * n)]))


def standardized(x_train, x_test) -> tuple[np.ndarray, np.ndarray]:
    """Returns both by mean and standard deviation of the training rows."""
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    std = np.where(std > 0.0, std, 1.0)
    return tuple(((x - mean) / std).astype("float32") for x in (x_train, x_test))


def cases(data: str, n_seeds: int) -> Iterator[tuple]:
    """Yields name, seed, rows to train on, rows to judge and the labels of these."""
    for name, x, y in load(data):
        for seed in range(n_seeds):
            train, test = split(len(x), seed)
            yield name, seed, *standardized(x[train], x[test]), y[test]


def trained(x, seed: int, objective="elbo", sample_weight=None):
    """Returns a VAE, trained in the setting of all sets."""
    import keras

    import keras_vae as kv

    keras.utils.set_random_seed(seed)
    vae = kv.VAE(
        kv.VariationalEncoder(2, kv.networks.DenseEncoder((64, 32))),
        kv.networks.DenseDecoder(x.shape[1:], (32, 64)),
        kv.likelihoods.Gaussian(1.0),  # of standardized data
        objective=objective,
    )
    vae.compile(keras.optimizers.Adam(3e-3))
    epochs = max(1, round(STEPS / math.ceil(len(x) / BATCH_SIZE)))
    vae.fit(x, sample_weight=sample_weight, epochs=epochs, batch_size=BATCH_SIZE, verbose=0)
    return vae


def strange(vae, x) -> np.ndarray:
    """Returns how strange each row is to a trained VAE."""
    import keras_vae as kv

    return kv.AnomalyDetector(vae, "log_likelihood", n_samples=50).score(x)


def start_peers(data: str, n_seeds: int, pyod: str | None, path: Path) -> subprocess.Popen:
    """Starts a process that writes the AUROCs of PyOD's detectors by set and detector."""
    script = Path(__file__).with_name("anomaly_peers.py")
    paths = [p for p in (pyod, os.environ.get("PYTHONPATH")) if p]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, str(script), data, str(n_seeds), str(path)]
    return subprocess.Popen(command, env=environment, stdout=sys.stderr)


def side_by_side(data: str, n_seeds: int, pyod: str | None) -> dict:
    """Returns AUROCs by set and detector, ours first."""
    results: dict = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "peers.json")
        with start_peers(data, n_seeds, pyod, path) as process:
            for name, seed, x_train, x_test, y_test in cases(data, n_seeds):
                found = area(y_test, strange(trained(x_train, seed), x_test))
                results.setdefault(name, {OURS: []})[OURS].append(found)
                print(f"{name}, seed {seed}: {found:.3f}", file=sys.stderr, flush=True)
        if process.returncode:
            raise RuntimeError("PyOD's detectors ended with the error above.")
        for name, found in json.loads(path.read_text()).items():
            results[name] |= found
    return results


def table(results: dict) -> str:
    """Returns mean AUROCs by set and detector, with a mark for the best, ties included."""
    names = list(next(iter(results.values())))
    lines = [f"{'':12}" + "".join(f"{name:>11}" for name in names)]
    means = {data: {n: float(np.mean(found[n])) for n in names} for data, found in results.items()}
    means["mean"] = {n: float(np.mean([row[n] for row in means.values()])) for n in names}
    for data, row in means.items():
        best = max(row.values())
        cells = (f"{row[n]:.3f}{'*' if row[n] > best - 5e-4 else ' '}" for n in names)
        lines.append(f"{data:12}" + "".join(f"{cell:>11}" for cell in cells))
    rows = [row for data, row in means.items() if data != "mean"]
    lines.append("\nkeras_vae against each, sets won / tied (within 0.005) / lost:")
    for name in names[1:]:
        gaps = np.array([row[OURS] - row[name] for row in rows])
        won, lost = int((gaps > 0.005).sum()), int((gaps < -0.005).sum())
        lines.append(f"{name:>12}: {won} / {len(gaps) - won - lost} / {lost}")
    return "\n".join(lines)


def contaminated(y_train, share: float, rng) -> tuple[np.ndarray, np.ndarray]:
    """Returns numbers of usual rows, and of these with anomalies as the share asked for.

    Where there are too few anomalies, there are fewer usual rows.
    """
    usual, odd = (rng.permutation(np.flatnonzero(y_train == label)) for label in (0, 1))
    n_odd = min(len(odd), round(share * len(usual) / (1.0 - share)))
    usual = usual[: round(n_odd * (1.0 - share) / share)]
    return usual, np.concatenate([usual, odd[:n_odd]])


def plain(x, seed: int):
    """Trains on all rows alike."""
    return trained(x, seed)


def trimmed(x, seed: int):
    """Leaves out the worst fifth of each batch."""
    from keras_vae.objectives import Trimmed

    return trained(x, seed, Trimmed("elbo", share=0.2))


def weighted(x, seed: int):
    """Trains anew, with little weight on the rows that a core of half the data finds strange."""
    from keras_vae.objectives import Trimmed

    core = strange(trained(x, seed, Trimmed("elbo", share=0.5)), x)
    return trained(x, seed, sample_weight=np.where(core > np.quantile(core, 0.7), 0.03, 1.0))


TRAININGS = {f.__name__: f for f in (plain, trimmed, weighted)}


def robustness(data: str, n_seeds: int, share: float) -> dict:
    """Returns AUROCs by set, training and whether there were anomalies among its rows."""
    results: dict = {}
    for name, x, y in load(data):
        for seed in range(n_seeds):
            train, test = split(len(x), seed)
            rows = contaminated(y[train], share, np.random.default_rng(seed))
            for among, chosen in zip(("clean", "contaminated"), rows, strict=True):
                x_train, x_test = standardized(x[train[chosen]], x[test])
                for training, fit in TRAININGS.items():
                    found = area(y[test], strange(fit(x_train, seed), x_test))
                    results.setdefault(name, {}).setdefault((training, among), []).append(found)
        print_row(name, {key: float(np.mean(found)) for key, found in results[name].items()})
    return results


def print_row(name: str, values: dict) -> None:
    """Prints a set's mean AUROCs: of each training on clean rows, then on contaminated ones."""
    cells = (
        f"{values[training, a]:11.3f}" for a in ("clean", "contaminated") for training in TRAININGS
    )
    print(f"{name:12}" + "".join(cells), flush=True)


def print_robustness(results: dict) -> None:
    """Prints means over sets, and what contamination costs by two measures."""
    keys = next(iter(results.values()))
    means = {key: float(np.mean([np.mean(row[key]) for row in results.values()])) for key in keys}
    print_row("mean", means)
    for training in TRAININGS:
        own, best = means[training, "clean"], means["plain", "clean"]
        found = means[training, "contaminated"]
        print(
            f"{training}: {own - found:.3f} below itself on clean rows, "
            f"{best - found:.3f} below plain training on clean rows"
        )


def main() -> None:
    """Prints the table of one of the two comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="the folder of the sets")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--contamination", type=float, help="the share of anomalies")
    parser.add_argument("--pyod", help="a folder with PyOD, if it is not installed")
    args = parser.parse_args()
    begin = time.perf_counter()
    if args.contamination is not None:
        print(f"{'':12}" + 2 * "".join(f"{name:>11}" for name in TRAININGS))
        print_robustness(robustness(args.data, args.seeds, args.contamination))
    else:
        print(table(side_by_side(args.data, args.seeds, args.pyod)))
    print(f"{args.seeds} seeds, {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
