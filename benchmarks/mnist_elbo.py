"""Trains the 784-400-400-200 β-VAE on binarized MNIST and prints its test -ELBO in nats.

The digits are binarized once, each pixel drawn with its intensity as the
probability (seed 0), as in Salakhutdinov & Murray (2008).

    .venv/bin/python benchmarks/mnist_elbo.py --beta 1
"""

import argparse
from pathlib import Path

import keras
import mnist_data
import numpy as np

import keras_vae as kv


def binarized_digits(path: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the training and the test digits, `(n, 784)`, in {0, 1}."""
    x_train, _, x_test, _ = mnist_data.load(path)
    rng = np.random.default_rng(0)
    return tuple(
        (rng.random((len(x), 784)) < x.reshape(-1, 784) / 255).astype("float32")
        for x in (x_train, x_test)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="mnist.npz; downloaded by Keras if not given")
    parser.add_argument("--beta", type=float, default=1.0)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    x_train, x_test = binarized_digits(args.data)
    vae = kv.VAE(
        kv.VariationalEncoder(200, kv.networks.DenseEncoder((400, 400), activation="leaky_relu")),
        kv.networks.DenseDecoder(784, (400, 400), activation="leaky_relu"),
        beta=args.beta,
    )
    vae.compile(keras.optimizers.Adam(1e-3))
    vae.fit(x_train, batch_size=100, epochs=args.epochs, verbose=2)

    logs = vae.evaluate(x_test, batch_size=1000, verbose=0, return_dict=True)
    print(
        f"beta {args.beta:g}, {args.epochs} epochs, seed {args.seed}, test set, nats: "
        f"-ELBO {logs['reconstruction_loss'] + logs['kl_loss']:.2f}, "
        f"reconstruction_loss {logs['reconstruction_loss']:.2f}, kl_loss {logs['kl_loss']:.2f}"
    )


if __name__ == "__main__":
    main()
