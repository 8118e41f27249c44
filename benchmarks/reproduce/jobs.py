"""Rows whose models live in the benchmark of a job: labels, quadrants, holes, anomalies."""

import sys
from argparse import Namespace
from pathlib import Path
from typing import ClassVar

import numpy as np
from row import Column, Row

sys.path.append(str(Path(__file__).parents[1]))
import anomalies
import conditional
import few_labels
import missing


class Labels(Row):
    """Kingma et al., "Semi-supervised learning with deep generative models", 2014, 100 labels.

    Theirs trains for 3,000 passes; settings and what differs are in docs/labels.md. Each seed draws
    its own labels.
    """

    columns: ClassVar = {"error": Column("error, %", 2, {"M2": 11.97, "M1+M2": 3.33})}
    length, whole, unit, seeds = 60, 3000, "passes of M1", 5

    def cases(self) -> list[str]:
        return ["M2", "M1+M2"]

    def run(self, case: str, seed: int, folder: Path) -> dict[str, float]:
        x, y, x_test, y_test = few_labels.digits(self.args.data)
        classes = few_labels.ways(x, x_test, self.args.length)[case](few_labels.few(y, 10, seed))
        return {"error": 100 * float((classes != y_test).mean())}


class Quadrants(Row):
    """Sohn, Lee & Yan, 2015, by the figures of Pyro's example: the rest of a digit in nats.

    Published are bounds, to be held against ours; settings are in docs/models.md.
    """

    columns: ClassVar = {
        "bound": Column("bound, nats", 2, {"1 given": 71.8, "2 given": 51.0, "3 given": 24.2}),
        "nll": Column("-log p by 200 draws"),
        "network": Column("a network", 2, {"1 given": 100.4, "2 given": 61.9, "3 given": 25.4}),
    }
    length, whole, seeds = 15, 15, 1

    def cases(self) -> list[str]:
        return ["1 given", "2 given", "3 given"]

    def run(self, case: str, seed: int, folder: Path) -> dict[str, float]:
        x, _, x_test, _ = conditional.mnist(self.args.data)
        given = conditional.given_pixels(int(case[0]))
        network = conditional.of_network(x, x_test, given, self.args.length)
        how = Namespace(
            epochs=self.args.length, latent_dim=50, n_samples=self.args.draws or 200, verbose=False
        )
        nll, bound, _ = conditional.of_conditional_vae(x, x_test, given, how)
        return {"bound": bound, "nll": nll, "network": network}


class Holes(Row):
    """Mattei & Frellsen, "MIWAE", 2019, section 4.2: half of a table's values filled in.

    The published notebook's 0.287 for breast cancer and 0.40 to 0.48, 0.444 at the end, for iris.
    """

    columns: ClassVar = {"mse": Column("MSE", 3, {"breast cancer": 0.287, "iris": 0.444})}
    length, whole, unit = 1, 1, "runs"

    def cases(self) -> list[str]:
        return list(missing.TABLES)

    def run(self, case: str, seed: int, folder: Path) -> dict[str, float]:
        load, settings = missing.TABLES[case]
        x = load().data
        x = (x - x.mean(axis=0)) / x.std(axis=0)
        holes = missing.with_holes(x, 0.5, 1234)
        filled = missing.by_vae(holes, settings, self.args.draws or 2000, seed)
        return {"mse": float(np.square(filled - x)[np.isnan(holes)].mean())}


class Anomalies(Row):
    """Ten sets of ODDS in one setting; published are the means of PyOD 3.6.7's VAE, run beside it.

    `--data` is a folder of `.npz` files, as benchmarks/anomalies.py says, which runs PyOD too.
    """

    columns: ClassVar = {
        "auroc": Column(
            "AUROC",
            3,
            {
                "cardio": 0.874, "glass": 0.557, "ionosphere": 0.788, "letter": 0.657,
                "lympho": 0.980, "pendigits": 0.834, "pima": 0.661, "vertebral": 0.314,
                "vowels": 0.855, "wbc": 0.910,
            },
        )
    }  # fmt: skip
    length, whole, unit, seeds = 1000, 1000, "steps", 10

    def cases(self) -> list[str]:
        return list(self.columns["auroc"].published)

    def run(self, case: str, seed: int, folder: Path) -> dict[str, float]:
        with np.load(self.args.data / f"{case}.npz") as file:
            x, y = file["x"].astype("float64"), file["y"].astype(int).ravel()
        train, test = anomalies.split(len(x), seed)
        x_train, x_test = anomalies.standardized(x[train], x[test])
        scores = anomalies.scores_of(x_train, x_test, seed)
        return {"auroc": anomalies.area(y[test], scores)}

    def verdict(self, figures) -> list[str]:
        ours = np.mean([figures[case]["auroc"].mean() for case in self.cases()])
        peer = np.mean(list(self.columns["auroc"].published.values()))
        return [f"Mean of the sets: {ours:.3f}; PyOD's VAE {peer:.3f}."]
