"""The decoder's standard deviation: given, learned or optimal."""

from pathlib import Path
from typing import ClassVar

import digits
import keras
from row import Column, Row, in_order
from training import train

import keras_vae as kv

BATCH_SIZE = 100
SIGMAS = {"given, σ = 1": 1.0, "learned": "learned", "optimal": "optimal"}


class Sigma(Row):
    """Rybkin et al., "Simple and effective VAE training with calibrated decoders", 2021.

    Theirs are images in colour judged by the FID (table 1), with the order given < learned <
    optimal. Ours are grey digits, 784-400-400-20, judged by the Fréchet distance of 10,000 samples
    to the test digits, on features of a small classifier that is trained here (no FID), and by the
    bound of the test digits.
    """

    columns: ClassVar = {
        "distance": Column("Fréchet distance"),
        "negative_elbo": Column("-ELBO, nats", 1),
        "sigma": Column("σ", 3),
    }
    length, whole = 30, 30

    def cases(self) -> list[str]:
        return list(SIGMAS)

    def run(self, case: str, seed: int, folder: Path) -> dict[str, float]:
        x, x_test = digits.intensities(self.args.data)
        vae = kv.VAE(
            kv.VariationalEncoder(20, kv.networks.DenseEncoder((400, 400))),
            kv.networks.DenseDecoder(784, (400, 400)),
            kv.likelihoods.Gaussian(SIGMAS[case]),
        )
        vae.compile(keras.optimizers.Adam(1e-3))
        train(vae, x, folder, self.args.length, batch_size=BATCH_SIZE)
        logs = vae.evaluate(x_test, batch_size=500, verbose=0, return_dict=True)
        judge = kv.evaluation.train_feature_classifier(
            x.reshape(-1, 28, 28), digits.labels(self.args.data), verbose=0
        )
        real, fake = (
            kv.evaluation.features(judge.features, images.reshape(-1, 28, 28), batch_size=1000)
            for images in (x_test, vae.sample(len(x_test), seed=1, batch_size=1000))
        )
        error = float(((vae.reconstruct(x_test) - x_test) ** 2).mean()) ** 0.5
        return {
            "distance": kv.evaluation.frechet(real, fake),
            "negative_elbo": logs["negative_elbo"],
            "sigma": 1.0 if case.startswith("given") else error,
        }

    def verdict(self, figures) -> list[str]:
        distances = [figures[case]["distance"] for case in SIGMAS]
        bounds = [figures[case]["negative_elbo"] for case in SIGMAS]
        return [
            f"Given worse than learned, learned worse than optimal: by distance in "
            f"{in_order(*distances)}, by -ELBO in {in_order(*bounds)}."
        ]
