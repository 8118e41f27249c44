"""What priors that are fitted after training give; prints a table with seeds.

    .venv/bin/python benchmarks/generation.py --data mnist.npz

8,000 binarized digits, the 784-200-200-10 network, 40 epochs of batches of 100, as
`variants.py mnist`. Then each prior is fitted to the codes of these digits by
`vae.fit_prior`: encoder and decoder are the same in all rows of a seed.

log p(x) by importance sampling on 2,000 test digits. The Fréchet distance is that of the
features of a small classifier, trained here on grey digits, so that it is no FID: between
the test digits and as many samples, the means of p(x|z). Lower is better.
"""

import argparse
import time
from pathlib import Path

import keras
import mnist_data
import numpy as np
from mnist_elbo import binarized_digits
from variants import make_vae, train

import keras_vae as kv

N_TEST = 2000
PRIORS = {
    "standard normal, as trained": None,
    "mixture of 10, diagonal": lambda: kv.priors.GaussianMixture(10),
    "mixture of 50, full covariance": lambda: kv.priors.GaussianMixture(50, covariance="full"),
    "flow (RealNVP, 8 layers)": lambda: kv.priors.RealNVP(8, (128, 128)),
    "second VAE (TwoStage)": lambda: kv.priors.TwoStage(),
}


def grey_digits(path: Path | None) -> tuple:
    """Returns training digits with their labels, and test digits, in [0, 1]."""
    x, y, x_test, _ = mnist_data.load(path)
    return (x / 255).astype("float32"), y, (x_test / 255).astype("float32")


def one_seed(seed: int, args, x, x_test, distance) -> dict[str, tuple]:
    """Trains a VAE; returns log p(x), distance and seconds of each prior."""
    keras.utils.set_random_seed(seed)
    vae = make_vae(784, 200, latent_dim=10)
    train(vae, x, args.epochs)
    found = {}
    for name, make in PRIORS.items():
        if args.without and args.without in name:
            continue
        begin = time.perf_counter()
        if make is not None:
            vae.fit_prior(x, make(), epochs=args.prior_epochs, verbose=0)
        seconds = time.perf_counter() - begin
        log_p = vae.log_likelihood(x_test[:N_TEST], args.draws, seed=0).log_likelihood.mean()
        samples = vae.sample(len(x_test), seed=1, batch_size=1000)
        found[name] = log_p, distance(samples.reshape(-1, 28, 28)), seconds
        shown = f"{log_p:.2f} nats, {found[name][1]:.2f}, {seconds:.0f} s"
        print(f"seed {seed}, {name}: {shown}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="mnist.npz; downloaded by Keras if not given")
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--prior-epochs", type=int, default=100)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--without", help="a word of the names of priors to leave out")
    args = parser.parse_args()

    x, x_test = binarized_digits(args.data)
    grey, labels, grey_test = grey_digits(args.data)
    judge = kv.evaluation.train_feature_classifier(grey, labels, verbose=0)
    real = kv.evaluation.features(judge.features, grey_test, batch_size=1000)

    def distance(images):
        fake = kv.evaluation.features(judge.features, images, batch_size=1000)
        return kv.evaluation.frechet(real, fake)

    print(f"accuracy of the classifier: {judge.accuracy:.3f}")
    runs = [one_seed(s, args, x[: args.rows], x_test, distance) for s in range(args.seeds)]
    print("\n| prior | log p(x), mean of the seeds | gain (min to max) | Fréchet distance "
          "(min to max) | seconds to fit |")  # fmt: skip
    print("|---|---|---|---|---|")
    first = np.array([run[next(iter(PRIORS))] for run in runs])
    for name in runs[0]:
        log_p, far, seconds = np.array([run[name] for run in runs]).T
        gain = log_p - first[:, 0]
        print(f"| {name} | {log_p.mean():.2f} | {gain.mean():+.2f} ({gain.min():+.2f} to "
              f"{gain.max():+.2f}) | {far.mean():.2f} ({far.min():.2f} to {far.max():.2f}) | "
              f"{seconds.mean():.0f} |")  # fmt: skip
    plain, *mixtures, flow, _ = PRIORS
    for mixture in mixtures if {plain, flow, *mixtures} <= runs[0].keys() else ():
        order = [[run[name][1] for name in (plain, mixture, flow)] for run in runs]
        right = sum(a > b > c for a, b, c in order)
        print(f"By distance VAE > {mixture} > flow: {right} of {len(runs)} seeds.")


if __name__ == "__main__":
    main()
