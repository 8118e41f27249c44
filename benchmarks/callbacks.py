"""Measures what TensorBoardVAE, at its defaults, adds to an epoch of the demo.

    python benchmarks/callbacks.py --rounds 3

Runs with and without the callback take turns, on one model that is compiled before.
"""

import argparse
import statistics
import tempfile
import time

import keras

import keras_vae as kv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=14, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs with and without")
    args = parser.parse_args()
    x, _ = kv.datasets.Sprites().sample(17_000, seed=0)
    x, x_validation = x[1_000:], x[:1_000]
    vae = kv.VAE(
        kv.VariationalEncoder(10, kv.networks.ConvEncoder((32, 32, 64, 64))),
        kv.networks.ConvDecoder((64, 64, 1), filters=(64, 64, 32, 32)),
        beta=4.0,
    )
    vae.compile(keras.optimizers.Adam(1e-3))
    vae.fit(x[:640], validation_data=x_validation, batch_size=64, verbose=0)
    seconds = {"with": [], "without": []}
    for _ in range(args.rounds):
        for kind, times in seconds.items():
            with tempfile.TemporaryDirectory() as folder:
                board = [kv.callbacks.TensorBoardVAE(folder, x_validation)]
                start = time.perf_counter()
                vae.fit(
                    x,
                    validation_data=x_validation,
                    batch_size=64,
                    epochs=args.epochs,
                    verbose=0,
                    callbacks=board if kind == "with" else None,
                )
                times.append((time.perf_counter() - start) / args.epochs)
    for kind, times in seconds.items():
        print(f"{kind:8}", *(f"{value:.2f}" for value in times), "s per epoch")
    ratios = [a / b - 1 for a, b in zip(seconds["with"], seconds["without"], strict=True)]
    print(f"adds {100 * statistics.median(ratios):.1f} % [{100 * min(ratios):.1f}, "
          f"{100 * max(ratios):.1f}]")  # fmt: skip


if __name__ == "__main__":
    main()
