"""The importance weighted autoencoder against the VAE, over the number of draws."""

from pathlib import Path
from typing import ClassVar

import digits
import keras
import numpy as np
from row import Column, Row, in_order
from training import epochs_done, stepwise, train

import keras_vae as kv

BATCH_SIZE = 20


class IWAE(Row):
    """Burda, Grosse & Salakhutdinov, 2016, table 1, one stochastic layer, MNIST binarized anew.

    784-200-200-50, tanh; Adam with β₂ .999 and ε 1e-4, batches of 20; stage i is 3^i epochs at
    1e-4·10^(1 - i/7), rounded as the authors' code rounds it; 5,000 draws for log p(x). They run
    stages 0 to 7, which are 3,280 epochs; the output's bias starts at 0 here.
    """

    columns: ClassVar = {
        "nll": Column("NLL, nats", 2, {"k = 1": 86.76, "k = 5": 85.54, "k = 50": 84.78}),
        "active_units": Column("active units", 0, {"k = 1": 19, "k = 5": 22, "k = 50": 25}),
    }
    length, whole, unit = 5, 8, "stages"

    def cases(self) -> list[str]:
        return list(self.columns["nll"].published)

    def run(self, case: str, seed: int, folder: Path) -> dict[str, float]:
        vae = network(kv.objectives.IWAE(int(case.split()[-1])))
        return trained_in_stages(vae, seed, folder, self.args)

    def verdict(self, figures) -> list[str]:
        nll, units = ([figures[case][name] for case in self.cases()] for name in self.columns)
        return [
            f"NLL falls with k in {in_order(*nll)}; "
            f"active units rise in {in_order(*reversed(units))}."
        ]


def network(objective) -> kv.VAE:
    """Returns the VAE of the paper's one-layer models."""
    return kv.VAE(
        kv.VariationalEncoder(50, kv.networks.DenseEncoder((200, 200), "tanh")),
        kv.networks.DenseDecoder(784, (200, 200), "tanh"),
        objective=objective,
    )


def trained_in_stages(vae: kv.VAE, seed: int, folder: Path, args) -> dict[str, float]:
    """Trains by the paper's schedule, `args.length` stages of it, and returns the figures."""
    intensity, intensity_test = digits.intensities(args.data)
    x_test = digits.binarized(intensity_test, np.random.default_rng(0))
    starts = [(3**i - 1) // 2 for i in range(args.length + 1)]
    rates = {starts[i]: 1e-4 * round(10 ** (1 - i / 7), 1) for i in range(args.length)}
    batches = digits.Dynamic(intensity, BATCH_SIZE, seed, epochs_done(folder))
    vae.compile(keras.optimizers.Adam(stepwise(rates, len(batches)), epsilon=1e-4))
    train(vae, batches, folder, starts[-1])
    log_p = vae.log_likelihood(x_test, args.draws or 5000, seed=0).log_likelihood
    return {"nll": -float(log_p.mean()), "active_units": vae.active_units(x_test)}
