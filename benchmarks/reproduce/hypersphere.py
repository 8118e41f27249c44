"""The hyperspherical VAE against the normal one, over the dimension."""

from pathlib import Path
from typing import ClassVar

import digits
import keras
import numpy as np
from row import Column, Row, in_order
from training import epochs_done, train

import keras_vae as kv

BATCH_SIZE, N_DRAWS = 64, 500
NORMAL, SPHERE = "normal, d = {}", "sphere, d = {}"
DIMENSIONS = (2, 5, 10)
PUBLISHED = {2: (135.73, 132.50), 5: (110.21, 108.43), 10: (93.84, 93.16)}


class Hypersphere(Row):
    """Davidson et al., "Hyperspherical variational auto-encoders", 2018, table 1, MNIST.

    784-256-128-d, ReLU, pixels drawn anew in each epoch, batches of 64, Adam(1e-3), β from 0 to 1
    in the first 100 epochs (a fifth of a shorter run), 500 draws for log p(x). The sphere of
    dimension d lies in d + 1 numbers. Theirs stops after 50 epochs that did not
    improve the validation loss.
    """

    columns: ClassVar = {
        "nll": Column(
            "NLL, nats",
            2,
            {
                name.format(d): value
                for d, pair in PUBLISHED.items()
                for name, value in zip((NORMAL, SPHERE), pair, strict=True)
            },
        )
    }
    length, whole = 50, 1000

    def cases(self) -> list[str]:
        return list(self.columns["nll"].published)

    def run(self, case: str, seed: int, folder: Path) -> dict[str, float]:
        intensity, intensity_test = digits.intensities(self.args.data)
        x_test = digits.binarized(intensity_test, np.random.default_rng(0))
        batches = digits.Dynamic(intensity, BATCH_SIZE, seed, epochs_done(folder))
        d, on_sphere = int(case.split()[-1]), case.startswith("sphere")
        warm_up = min(100, self.args.length // 5) * len(batches)
        posterior = "von_mises_fisher" if on_sphere else "diagonal_normal"
        vae = kv.VAE(
            kv.VariationalEncoder(d + on_sphere, kv.networks.DenseEncoder((256, 128)), posterior),
            kv.networks.DenseDecoder(784, (128, 256)),
            prior="uniform_on_sphere" if on_sphere else "standard_normal",
            beta=keras.optimizers.schedules.PolynomialDecay(0.0, max(warm_up, 1), 1.0),
        )
        vae.compile(keras.optimizers.Adam(1e-3))
        train(vae, batches, folder, self.args.length)
        log_p = vae.log_likelihood(x_test, self.args.draws or N_DRAWS, seed=0).log_likelihood
        return {"nll": -float(log_p.mean())}

    def verdict(self, figures) -> list[str]:
        lines = []
        for d in DIMENSIONS:
            normal, sphere = (figures[name.format(d)]["nll"] for name in (NORMAL, SPHERE))
            lines.append(
                f"d = {d}: the sphere is better by {(normal - sphere).mean():.2f} nats "
                f"(published {np.subtract(*PUBLISHED[d]):.2f}), in {in_order(normal, sphere)}."
            )
        return lines
