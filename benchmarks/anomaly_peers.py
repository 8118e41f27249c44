"""The detectors of PyOD that `anomalies.py` is compared with, in a process of their own.

    python benchmarks/anomaly_peers.py FOLDER SEEDS RESULTS.json

Needs `pip install pyod`. It has the settings that PyOD gives by default.
"""

import json
import sys
import time

import numpy as np
from anomalies import area, cases
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.pca import PCA
from pyod.models.vae import VAE

PEERS = {
    "PyOD VAE": lambda seed: VAE(verbose=0, random_state=seed),
    "PCA": lambda seed: PCA(random_state=seed),
    "IForest": lambda seed: IForest(random_state=seed),
    "KNN": lambda seed: KNN(),
    "ECOD": lambda seed: ECOD(),
}


def main(data: str, n_seeds: int, path: str) -> None:
    """Writes the AUROC of each peer, set and seed."""
    results, begin = {}, time.perf_counter()
    for name, seed, x_train, x_test, y_test in cases(data, n_seeds):
        for peer, make in PEERS.items():
            detector = make(seed).fit(x_train)
            scores = np.nan_to_num(detector.decision_function(x_test))
            results.setdefault(name, {}).setdefault(peer, []).append(area(y_test, scores))
        print(f"{name}, seed {seed}, {time.perf_counter() - begin:.0f} s", flush=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
