"""The bound over training for several latent sizes: the figure of the first paper."""

from pathlib import Path
from typing import ClassVar

import digits
import keras
import numpy as np
from row import Column, Row
from training import train

import keras_vae as kv

BATCH_SIZE = 100
SIZES = (3, 5, 10, 20, 200)
AT_EPOCHS = (1, 3, 10, 30, 100, 300)


class LatentSize(Row):
    """Kingma & Welling, "Auto-encoding variational Bayes", 2014, figure 2, MNIST.

    784-500-d, tanh, batches of 100, Adagrad (0.02 of their 0.01, 0.02 and 0.1), pixels as
    intensities in the Bernoulli likelihood. The figure's curves run to 10^8 rows, 1,667 epochs; the
    bound is that of the test digits. No numbers are printed in the paper: what is compared is the
    order, and that superfluous dimensions do not overfit.
    """

    columns: ClassVar = {f"elbo_{n}": Column(f"ELBO, {n} epochs", 1) for n in AT_EPOCHS}
    length, whole = 100, 1667

    def cases(self) -> list[str]:
        return [f"d = {size}" for size in SIZES]

    def run(self, case: str, seed: int, folder: Path) -> dict[str, float]:
        x, x_test = digits.intensities(self.args.data)
        vae = kv.VAE(
            kv.VariationalEncoder(int(case.split()[-1]), kv.networks.DenseEncoder((500,), "tanh")),
            kv.networks.DenseDecoder(784, (500,), "tanh"),
        )
        vae.compile(keras.optimizers.Adagrad(0.02))
        found = {}
        for epochs in (n for n in AT_EPOCHS if n <= self.args.length):
            train(vae, x, folder, epochs, batch_size=BATCH_SIZE)
            logs = [
                vae.evaluate(x_test, batch_size=500, verbose=0, return_dict=True) for _ in range(5)
            ]
            found[f"elbo_{epochs}"] = -float(np.mean([log["negative_elbo"] for log in logs]))
        return found

    def verdict(self, figures) -> list[str]:
        last = max(n for n in AT_EPOCHS if n <= self.args.length)
        end = [figures[case][f"elbo_{last}"].mean() for case in self.cases()]
        order = " < ".join(self.cases()[i] for i in np.argsort(end))
        first = min(AT_EPOCHS)
        rises = all(
            figures[case][f"elbo_{last}"].min() > figures[case][f"elbo_{first}"].max()
            for case in self.cases()
        )
        return [f"At the end: {order}. Every curve rises from first to last: {rises}."]
