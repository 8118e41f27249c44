"""Trains a β-VAE on images and leaves a folder with the model and its pictures.

The folder holds vae.keras (the model), saved_model/ (for serving), history.csv,
logs/ (for TensorBoard) and, for images, reconstructions.png, samples.png and
traversal.png. Ctrl-C ends the training early; the folder is then made from what
was learned so far.
"""

import argparse
import os
import signal
import time
from pathlib import Path


def parse_args() -> argparse.Namespace:
    first, rest = __doc__.split("\n\n", 1)
    parser = argparse.ArgumentParser(
        prog="./scripts/demo",
        description=first,
        epilog=rest,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--data",
        default="sprites",
        help="'sprites' (generated, no download), 'mnist', 'fashion_mnist' or 'cifar10' "
        "(downloaded by Keras), a .npy or .npz file, or a folder of images",
    )
    parser.add_argument("--epochs", type=_positive, default=14, help="passes over the data")
    parser.add_argument("--beta", type=float, default=4.0, help="weight of the KL in the loss")
    parser.add_argument("--latent-dim", type=_positive, default=10, help="size of the code z")
    parser.add_argument("--batch-size", type=_positive, default=64, help="samples per step")
    parser.add_argument("--seed", type=int, default=0, help="the same seed repeats a run")
    parser.add_argument(
        "--backend",
        choices=("tensorflow", "jax", "torch"),
        default=os.environ.get("KERAS_BACKEND", "tensorflow"),
        help="what Keras computes with",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("runs") / time.strftime("%Y%m%d-%H%M%S"),
        help="folder to write; files of an earlier run in it are replaced",
    )
    return parser.parse_args()


def _positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def load_data(source, seed):
    """Returns training and validation data as float32."""
    import numpy as np

    import keras_vae as kv

    if source == "sprites":
        x, _ = kv.datasets.Sprites().sample(17_000, seed=seed)
    else:
        x = kv.datasets.load(source)
        if len(x) < 2:
            raise ValueError(f"{source} holds {len(x)} samples; training needs at least 2.")
        x = np.random.default_rng(seed).permutation(x)
    n_validation = min(1_000, max(1, len(x) // 10))
    return x[n_validation:], x[:n_validation]


def make_vae(x, latent_dim, beta):
    """Returns a compiled VAE with networks for data of the shape of `x`."""
    import keras

    import keras_vae as kv

    shape = x.shape[1:]
    if len(shape) == 3:
        filters = (32, 32, 64, 64) if min(shape[:2]) >= 48 else (32, 64)
        encoder, decoder = kv.networks.ConvEncoder(filters), kv.networks.ConvDecoder
        decoder = decoder(shape, filters=filters[::-1])
    else:
        encoder, decoder = kv.networks.DenseEncoder(), kv.networks.DenseDecoder(shape)
    in_unit_interval = x.min() >= 0 and x.max() <= 1
    vae = kv.VAE(
        kv.VariationalEncoder(latent_dim, encoder),
        decoder,
        likelihood="bernoulli" if in_unit_interval else "gaussian",
        beta=beta,
    )
    vae.compile(keras.optimizers.Adam(1e-3))
    vae.build((None, *shape))
    return vae


def draw(vae, x, output, seed):
    """Writes the three pictures."""
    from keras_vae import plots

    plots.reconstructions(vae, x).savefig(output / "reconstructions.png")
    plots.samples(vae, seed=seed).savefig(output / "samples.png")
    plots.traversal(vae, x).savefig(output / "traversal.png")


def main() -> None:
    args = parse_args()
    os.environ["KERAS_BACKEND"] = args.backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    import keras_vae as kv

    keras.utils.set_random_seed(args.seed)
    try:
        x, x_validation = load_data(args.data, args.seed)
        vae = make_vae(x, args.latent_dim, args.beta)
    except (ValueError, OSError) as error:
        raise SystemExit(f"demo: {error}") from None
    args.output.mkdir(parents=True, exist_ok=True)

    def stop(signum, frame):
        print("\nStopping after this batch; Ctrl-C again to leave at once.", flush=True)
        vae.stop_training = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, stop)
    print(f"Training on {len(x):,} samples of shape {x.shape[1:]} with {args.backend}.")
    vae.fit(
        x,
        validation_data=(x_validation, None),
        batch_size=args.batch_size,
        epochs=args.epochs,
        callbacks=[
            keras.callbacks.TensorBoard(args.output / "logs"),
            kv.callbacks.TensorBoardVAE(args.output / "logs", x_validation),
            kv.callbacks.TrainingWatch(x_validation),
            keras.callbacks.CSVLogger(args.output / "history.csv"),
            keras.callbacks.ModelCheckpoint(args.output / "vae.keras"),
        ],
    )
    vae.save(args.output / "vae.keras")
    if x.ndim == 4:
        draw(vae, x_validation, args.output, args.seed)
    if args.backend == "torch":
        print("No SavedModel: Keras writes that format on TensorFlow and JAX only.")
    else:
        vae.export(args.output / "saved_model")
    print(f"\nWrote {args.output}/:", *sorted(p.name for p in args.output.iterdir()))
    print(f"To see the curves and pictures: .venv/bin/tensorboard --logdir {args.output}/logs")


if __name__ == "__main__":
    main()
