"""Compares variants of the VAE with equal budgets; prints tables with seeds and spread.

    .venv/bin/python benchmarks/variants.py mnist
    .venv/bin/python benchmarks/variants.py sprites

`mnist`: 8,000 binarized digits, the 784-200-200-10 network, 40 epochs of batches
of 100 for each variant; log p(x) by importance sampling on 2,000 test digits.

`sprites`: β-VAE and β-TC-VAE over several β on 8,000 sprites of 32×32 pixels; the total
correlation (TC) of their aggregate posterior, at equal reconstruction loss on
2,000 other sprites.
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from mnist_elbo import binarized_digits
from scipy.special import logsumexp

import keras_vae as kv
from keras_vae import objectives

N_TRAIN, N_TEST, BATCH_SIZE = 8000, 2000, 100


def make_vae(features, units, latent_dim, posterior="diagonal_normal", **parts) -> kv.VAE:
    """Returns a compiled VAE of dense networks, the same for each variant."""
    network = kv.networks.DenseEncoder((units, units))
    encoder = kv.VariationalEncoder(latent_dim, network, posterior=posterior)
    return kv.VAE(encoder, kv.networks.DenseDecoder(features, (units, units)), **parts)


def train(vae: kv.VAE, x, epochs: int) -> None:
    """Trains with Adam, whose rate falls from 1e-3 to 0 along a cosine."""
    steps = epochs * len(x) // BATCH_SIZE
    vae.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps)))
    vae.fit(x, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)


def mnist(args) -> None:
    """Prints test log-likelihoods and active units of each variant."""
    x, x_test = binarized_digits(args.data)
    x, x_test = x[:N_TRAIN], x_test[:N_TEST]
    variants = {
        "ELBO, diagonal normal, standard normal": dict,
        "IWAE, k = 50": lambda: {"objective": objectives.IWAE(50)},
        "VampPrior, 200 pseudo-inputs": lambda: {
            "prior": kv.priors.VampPrior(pseudo_inputs=x[:200])
        },
        "RealNVP prior": lambda: {"prior": "real_nvp"},
        "IAF posterior": lambda: {"posterior": "inverse_autoregressive_flow"},
        "planar-flow posterior": lambda: {"posterior": "planar_flow"},
        "full-covariance posterior": lambda: {"posterior": "full_covariance_normal"},
        "ELBO, β = 4, 32 latent dimensions": lambda: {"beta": 4.0, "latent_dim": 32},
        "free bits, β = 4, 32 latent dimensions": lambda: {
            "objective": objectives.FreeBits(0.25, beta=4.0),
            "latent_dim": 32,
        },
    }
    # The first is what the others are compared with.
    names = [n for i, n in enumerate(variants) if not (i and args.only) or args.only in n]
    print(f"| variant | log p(x), mean of {args.seeds} seeds (min to max) | its own bound "
          "| KL | active units | against the first |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    first = None
    for name in names:
        runs = []
        for seed in range(args.seeds):
            keras.utils.set_random_seed(seed)
            vae = make_vae(784, 200, **({"latent_dim": 10} | variants[name]()))
            train(vae, x, args.epochs or 40)
            logs = vae.evaluate(x_test, batch_size=500, verbose=0, return_dict=True)
            log_p = vae.log_likelihood(x_test, n_samples=500, seed=0).log_likelihood.mean()
            runs.append((log_p, -logs["loss"], logs["kl_loss"], vae.active_units(x_test)))
        log_p, bound, kl, active = np.array(runs).T
        first = log_p if first is None else first
        wins = f"better in {(log_p > first).sum()} of {len(log_p)}" if log_p is not first else ""
        units = "/".join(str(int(a)) for a in active)
        print(f"| {name} | {spread(log_p)} | {bound.mean():.2f} | {kl.mean():.1f} | {units} | "
              f"{wins} |", flush=True)  # fmt: skip


def sprites(args) -> None:
    """Prints the total correlation of β-VAE and β-TC-VAE at equal reconstruction loss."""
    images, _ = kv.datasets.Sprites().sample(N_TRAIN + N_TEST, seed=0)
    images = images[:, ::2, ::2].reshape(len(images), -1)
    x, x_test = images[:N_TRAIN], images[N_TRAIN:]
    kinds = {"β-VAE": objectives.ELBO, "β-TC-VAE": objectives.BetaTCVAE}
    betas = {"β-VAE": (1.0, 2.0, 4.0, 8.0), "β-TC-VAE": (2.0, 4.0, 8.0)}
    print("| objective | β | seed | reconstruction loss | KL | TC, mixture | TC, Gaussian |")
    print("|---|---|---|---|---|---|---|")
    differences = []
    for seed in range(args.seeds):
        points = {}
        for kind in kinds:
            points[kind] = []
            for beta in betas[kind]:
                keras.utils.set_random_seed(seed)
                vae = make_vae(x.shape[1], 256, 6, objective=kinds[kind](beta=beta))
                train(vae, x, args.epochs or 30)
                logs = vae.evaluate(x_test, batch_size=500, verbose=0, return_dict=True)
                found = total_correlation(vae, images, seed)
                points[kind].append((logs["reconstruction_loss"], *found))
                cells = [kind, f"{beta:g}", str(seed), f"{logs['reconstruction_loss']:.2f}"]
                cells += [f"{logs['kl_loss']:.2f}", *(f"{value:.3f}" for value in found)]
                print(f"| {' | '.join(cells)} |", flush=True)
        line = np.array(sorted(points["β-VAE"])).T
        for at, *found in points["β-TC-VAE"]:
            if line[0][0] <= at <= line[0][-1]:
                expected = [np.interp(at, line[0], values) for values in line[1:]]
                differences.append(np.subtract(found, expected))
    for name, values in zip(("mixture", "Gaussian"), np.transpose(differences), strict=True):
        print(
            f"\nTC ({name}) of β-TC-VAE minus that of β-VAE at the same reconstruction loss, by "
            f"interpolation: {spread(values)} nats; lower at {(values < 0).sum()} of "
            f"{len(values)} points."
        )


def total_correlation(vae: kv.VAE, x, seed: int) -> tuple[float, float]:
    """Estimates KL(q(z) ‖ Π q(z_d)) of the aggregate posterior q(z) of x, in nats.

    Returns:
        The estimate with q(z) the mixture of the posteriors of x, by 1,000 draws,
        and that of a normal with the covariance of the draws (Locatello et al.,
        2019). The mixture of few narrow posteriors is never independent.
    """
    params = vae.encoder.posterior_params(x)
    mean, log_var = (keras.ops.convert_to_numpy(params[k]) for k in ("z_mean", "z_log_var"))
    rng = np.random.default_rng(seed)
    z = mean + np.exp(0.5 * log_var) * rng.normal(size=mean.shape)
    gaussian = -0.5 * np.linalg.slogdet(np.corrcoef(z.T))[1]
    log_ratios = []
    for some in np.split(z[-1000:], 20):
        square = (some[:, None] - mean) ** 2 * np.exp(-log_var)
        log_prob = -0.5 * (square + log_var + np.log(2 * np.pi))  # of each z under each posterior
        log_joint = logsumexp(log_prob.sum(-1), axis=1) - np.log(len(x))
        log_marginals = logsumexp(log_prob, axis=1) - np.log(len(x))
        log_ratios.append(log_joint - log_marginals.sum(-1))
    return float(np.concatenate(log_ratios).mean()), float(gaussian)


def spread(values) -> str:
    """Returns "mean (min to max)"."""
    return f"{values.mean():.2f} ({values.min():.2f} to {values.max():.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=("mnist", "sprites"))
    parser.add_argument("--data", type=Path, help="mnist.npz; downloaded by Keras if not given")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--only", help="only the variants with this in their name")
    args = parser.parse_args()
    {"mnist": mnist, "sprites": sprites}[args.table](args)


if __name__ == "__main__":
    main()
