"""The VampPrior against the standard normal."""

from pathlib import Path
from typing import ClassVar

import digits
import keras
import numpy as np
from keras import layers
from row import Column, Row
from training import train

import keras_vae as kv

BATCH_SIZE, N_COMPONENTS = 100, 500


class VampPrior(Row):
    """Tomczak & Welling, "VAE with a VampPrior", 2018, table 1, one layer, static MNIST.

    Gated layers 300-300, 40 latent dimensions, 500 pseudo-inputs, batches of 100, β from 0 to 1 in
    the first 100 epochs (a quarter of a shorter run), 5,000 draws for log p(x). Theirs trains until
    50 epochs bring nothing on the validation set, with normalized gradients; here Adam(5e-4) for a
    given number of epochs. The pseudo-inputs start from training digits.
    """

    columns: ClassVar = {
        "nll": Column("NLL, nats", 2, {"standard normal": 88.56, "VampPrior": 85.57}),
        "active_units": Column("active units", 0),
    }
    length, whole = 200, 2000

    def cases(self) -> list[str]:
        return list(self.columns["nll"].published)

    def run(self, case: str, seed: int, folder: Path) -> dict[str, float]:
        x, _, x_test = digits.static(self.args.data)
        start = np.random.default_rng(seed).choice(x, N_COMPONENTS, replace=False)
        warm_up = min(100, self.args.length // 4) * len(x) // BATCH_SIZE
        vae = kv.VAE(
            kv.VariationalEncoder(40, gated(784)),
            keras.Sequential([gated(40), layers.Dense(784)]),
            prior=kv.priors.VampPrior(pseudo_inputs=start)
            if case == "VampPrior"
            else "standard_normal",
            beta=keras.optimizers.schedules.PolynomialDecay(0.0, max(warm_up, 1), 1.0),
        )
        vae.compile(keras.optimizers.Adam(5e-4))
        train(vae, x, folder, self.args.length, batch_size=BATCH_SIZE)
        log_p = vae.log_likelihood(x_test, self.args.draws or 5000, seed=0).log_likelihood
        return {"nll": -float(log_p.mean()), "active_units": vae.active_units(x_test)}

    def verdict(self, figures) -> list[str]:
        plain, vamp = (figures[case]["nll"] for case in self.cases())
        gaps = plain - vamp
        each = ", ".join(f"{gap:.2f}" for gap in gaps)
        n = (gaps > 1.5).sum()
        return [f"The gap is {each} nats (published 2.99): above 1.5 in {n} of {len(gaps)} seeds."]


def gated(n_inputs: int, units: tuple[int, ...] = (300, 300)) -> keras.Model:
    """Returns layers whose outputs are scaled by gates of their own."""
    inputs = hidden = keras.Input((n_inputs,))
    for n in units:
        hidden = layers.Dense(n)(hidden) * layers.Dense(n, "sigmoid")(hidden)
    return keras.Model(inputs, hidden)
