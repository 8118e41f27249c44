"""The plain VAE on static MNIST: pythae's reproduction, and the same with wider networks."""

from pathlib import Path
from typing import ClassVar

import digits
import independent
import keras
import numpy as np
from keras import layers
from row import Column, Row
from training import Best, epochs_done, stepwise, train
from vampprior import gated

import keras_vae as kv

BATCH_SIZE = 100
FALL = 10 ** (-1 / 5)  # of the learning rate
ONE_LAYER, ANEW, GATED = "400 ReLU", "400 ReLU, drawn anew", "gated 300-300"


class StaticMNIST(Row):
    """A normal posterior and prior, 40 latent dimensions, batches of 100.

    `400 ReLU` is pythae's script `reproducibility/vae.py` (Chadebec, Vincent & Allassonnière,
    2022): 89.78 by 200 importance samples, and 89.9 in the paper it refers to; Adam(1e-4) falling
    at 200 and 350 of 500 epochs. `400 ReLU, drawn anew` is that network with other pixels drawn of
    the training digits in each epoch, by Adam(1e-3) falling to 0 along a cosine. `gated 300-300`
    has the networks of the row `vampprior`, where 88.56 is published by 5,000 samples, and the same
    Adam(1e-3) in an eighth of the epochs. All pixels are draws of ours. As in the script, the
    epoch of the least bound on 10,000 digits for validation is the one that is judged.

    The weights of `400 ReLU` are judged once more by NumPy alone, see `independent`.
    """

    columns: ClassVar = {
        "nll": Column("NLL, nats", 2, {ONE_LAYER: 89.78, ANEW: 89.78, GATED: 88.56}),
        "negative_elbo": Column("-ELBO"),
        "nll_numpy": Column("NLL by NumPy"),
        "negative_elbo_numpy": Column("-ELBO by NumPy"),
    }
    length, whole = 500, 500

    def cases(self) -> list[str]:
        return [ONE_LAYER, ANEW, GATED]

    def run(self, case: str, seed: int, folder: Path) -> dict[str, float]:
        x, x_val, x_test = digits.static(self.args.data)
        vae, epochs = self.compiled(case, len(x) // BATCH_SIZE)
        best = Best(folder)
        how = {"batch_size": BATCH_SIZE, "validation_data": (x_val,), "validation_batch_size": 1000}
        if case == ANEW:
            intensity, _ = digits.intensities(self.args.data)
            x = digits.Dynamic(intensity[: len(x)], BATCH_SIZE, seed, epochs_done(folder))
        train(vae, x, folder, epochs, [best], **how)
        best.restore(vae)
        draws = self.args.draws or 200
        found = {
            "nll": -float(vae.log_likelihood(x_test, draws, seed=0).log_likelihood.mean()),
            "negative_elbo": negative_elbo(vae, x_test),
        }
        if case == ONE_LAYER:
            nll, bound = independent.of_weights(vae.get_weights(), x_test, draws)
            found |= {"nll_numpy": nll, "negative_elbo_numpy": bound}
        return found

    def compiled(self, case: str, steps: int) -> tuple[kv.VAE, int]:
        """Returns a case's model, for `steps` in an epoch, and its number of epochs."""
        epochs = self.args.length
        if case == GATED:
            epochs = max(1, epochs // 8)
            encoder, decoder = gated(784), keras.Sequential([gated(40), layers.Dense(784)])
        else:
            encoder = kv.networks.DenseEncoder((400,))
            decoder = kv.networks.DenseDecoder(784, (400,))
        if case == ONE_LAYER:
            rate = stepwise({0: 1e-4, 200: 1e-4 * FALL, 350: 1e-4 * FALL**2}, steps)
        else:
            rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * steps)
        vae = kv.VAE(kv.VariationalEncoder(40, encoder), decoder)
        vae.compile(keras.optimizers.Adam(rate))
        return vae, epochs

    def verdict(self, figures) -> list[str]:
        ours = figures[ONE_LAYER]
        off = [
            np.abs(ours[name] - ours[f"{name}_numpy"]).max() for name in ("nll", "negative_elbo")
        ]
        below = (
            f"{case} in {(found['nll'] <= 90.1).sum()} of {len(found['nll'])}"
            for case, found in figures.items()
        )
        return [
            f"NLL at most 90.1: {', '.join(below)} seeds.",
            f"Off NumPy's at most: NLL {off[0]:.3f}, -ELBO {off[1]:.3f} nats.",
        ]


def negative_elbo(vae, x, n_draws: int = 20) -> float:
    """Returns the mean of `n_draws` evaluations, each by one draw of z."""
    logs = (vae.evaluate(x, batch_size=500, verbose=0, return_dict=True) for _ in range(n_draws))
    return float(np.mean([log["negative_elbo"] for log in logs]))
