"""Checks what a condition does to a VAE; prints a table each.

    .venv/bin/python benchmarks/conditional.py quadrants
    .venv/bin/python benchmarks/conditional.py read
    .venv/bin/python benchmarks/conditional.py counts

`quadrants`: the rest of MNIST's digits from one, two or three of their quadrants: -log p(hidden |
given) in nats, beside a network that predicts the hidden pixels, after Sohn et al., "Learning
structured output representation using deep conditional generative models", 2015, section 5.1.

`read`: digits sampled by class, read by a classifier that was trained on real ones.

`counts`: simulated counts of cells of different depth, with and without a size factor: how much
of the code log depth explains.
"""

import argparse
import time
from pathlib import Path

import keras
import mnist_data
import numpy as np
from keras import layers, ops

import keras_vae as kv

N_VALIDATION, BATCH_SIZE = 5000, 128
BUDGETS = {"quadrants": (15, 50), "read": (10, 8), "counts": (30, 10)}  # epochs, latent_dim

FIRST, SECOND = slice(14), slice(14, 28)
QUADRANTS = ((SECOND, FIRST), (FIRST, FIRST), (FIRST, SECOND))  # lower left, upper left and right
PUBLISHED = {1: (100.4, 71.8), 2: (61.9, 51.0), 3: (25.4, 24.2)}  # network, CVAE


def mnist(path: Path | None) -> tuple:
    """Returns the digits' intensities in [0, 1], `(n, 28, 28)`, and classes: train, then test."""
    x, c, x_test, c_test = mnist_data.load(path)
    return (x / 255).astype("float32"), c, (x_test / 255).astype("float32"), c_test


def compile_adam(model: keras.Model, n_rows: int, epochs: int, **kwargs) -> None:
    """Compiles with Adam, whose rate falls from 1e-3 to 0 along a cosine."""
    steps = epochs * -(-n_rows // BATCH_SIZE)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps)),
                  **kwargs)  # fmt: skip


def early_stopping(monitor: str) -> keras.callbacks.EarlyStopping:
    """Returns the callback that keeps the weights of the best epoch."""
    return keras.callbacks.EarlyStopping(monitor, mode="min", patience=3, restore_best_weights=True)


def quadrants(args) -> None:
    """Prints -log p(hidden | given) of a conditional VAE and of a deterministic network."""
    x, _, x_test, _ = mnist(args.data)
    x_test = x_test[: args.n_test]
    print("| quadrants given | network | conditional VAE | its bound | epochs | seconds "
          "| published: network | CVAE |\n|---|---|---|---|---|---|---|---|")  # fmt: skip
    for n_given in args.given:
        keras.utils.set_random_seed(args.seed)
        start = time.perf_counter()
        given = given_pixels(n_given)
        network = of_network(x, x_test, given, args.epochs)
        *of_vae, epochs = of_conditional_vae(x, x_test, given, args)
        cells = [network, *of_vae, epochs, time.perf_counter() - start, *PUBLISHED[n_given]]
        cells = [f"{c:.0f}" if i in (3, 4) else f"{c:.2f}" for i, c in enumerate(cells)]
        print(f"| {n_given} | {' | '.join(cells)} |", flush=True)


def given_pixels(n: int) -> np.ndarray:
    """Returns which of the 784 pixels lie in the first n quadrants."""
    given = np.zeros((28, 28), bool)
    for quadrant in QUADRANTS[:n]:
        given[quadrant] = True
    return given.ravel()


def of_network(x, x_test, given, epochs: int) -> float:
    """Returns the cross-entropy of the hidden pixels, predicted from those given, in nats."""
    rows, rows_test = x.reshape(-1, 784), x_test.reshape(-1, 784)
    c, y = rows[:, given], rows[:, ~given]

    def cross_entropy(y_true, logits):
        return ops.sum(ops.softplus(logits) - y_true * logits, axis=-1)

    network = keras.Sequential([kv.networks.DenseEncoder((500, 500)), layers.Dense(y.shape[1])])
    n = len(x) - N_VALIDATION
    compile_adam(network, n, epochs, loss=cross_entropy)
    network.fit(c[:n], y[:n], BATCH_SIZE, epochs, validation_data=(c[n:], y[n:]),
                callbacks=[early_stopping("val_loss")], verbose=0)  # fmt: skip
    return network.evaluate(rows_test[:, given], rows_test[:, ~given], 1000, verbose=0)


def of_conditional_vae(x, x_test, given, args) -> tuple[float, float, int]:
    """Returns -log p(hidden | given) by importance sampling, the bound, and epochs of training."""
    rows, rows_test = x.reshape(-1, 784), x_test.reshape(-1, 784)
    n, epochs = len(x) - N_VALIDATION, args.epochs
    n_given = int(given.sum())
    vae = kv.VAE(
        kv.VariationalEncoder(args.latent_dim, kv.networks.DenseEncoder((500, 500))),
        kv.networks.DenseDecoder(784 - n_given, (500, 500)),
        prior=kv.priors.ConditionalNormal(units=(500, 500)),
        condition=kv.conditions.Continuous(n_given, standardize=False),
    )
    compile_adam(vae, n, epochs)
    held_out = ({"x": rows[n:], "condition": rows[n:, given]}, rows[n:, ~given])
    history = vae.fit(
        rows[:n],
        rows[:n, ~given],
        condition=rows[:n, given],
        batch_size=BATCH_SIZE,
        epochs=epochs,
        validation_data=held_out,
        callbacks=[early_stopping("val_negative_elbo")],
        verbose=2 if args.verbose else 0,
    )
    test = {"y": rows_test[:, ~given], "condition": rows_test[:, given]}
    bound = vae.evaluate(rows_test, batch_size=1000, verbose=0, return_dict=True, **test)
    log_p = vae.log_likelihood(rows_test, args.n_samples, seed=0, **test).log_likelihood
    return -log_p.mean(), bound["negative_elbo"], len(history.epoch)


def read(args) -> None:
    """Prints how many of the digits sampled as a class a classifier reads as that class."""
    x, c, x_test, c_test = mnist(args.data)
    keras.utils.set_random_seed(args.seed)
    reader = digit_reader(x, c)
    accuracy = (classes_read(reader, x_test) == c_test).mean()
    print(f"The classifier reads {accuracy:.2%} of the test digits.\n")
    print(f"| prior | seconds | all | {' | '.join(str(k) for k in range(10))} |\n|{'---|' * 13}")
    for prior in ("conditional_real_nvp", "conditional_normal", "standard_normal"):
        keras.utils.set_random_seed(args.seed)
        start = time.perf_counter()
        is_right = read_as_asked(reader, x, c, prior, args)
        cells = [f"{share:.1%}" for share in (is_right.mean(), *is_right)]
        seconds = time.perf_counter() - start
        print(f'| `"{prior}"` | {seconds:.0f} | {" | ".join(cells)} |', flush=True)


def read_as_asked(reader, x, c, prior: str, args) -> np.ndarray:
    """Returns the share that is read as the class it was sampled as, of each class."""
    vae = kv.VAE(
        kv.VariationalEncoder(args.latent_dim, kv.networks.DenseEncoder((500, 500))),
        kv.networks.DenseDecoder((28, 28), (500, 500)),
        prior=prior,
        condition=kv.conditions.OneHot(10),
    )
    compile_adam(vae, len(x), args.epochs)
    vae.fit(x, condition=c, batch_size=BATCH_SIZE, epochs=args.epochs, verbose=0)
    asked = np.repeat(np.arange(10), 1000)
    samples = vae.sample(len(asked), seed=0, condition=asked)
    return (classes_read(reader, samples) == asked).reshape(10, -1).mean(axis=1)


def digit_reader(x, c, epochs: int = 2) -> keras.Model:
    """Returns a convolutional classifier, trained on digits and on the same a pixel aside."""
    convolutions = kv.networks.ConvEncoder((16, 32), kernel_size=5)
    hidden = [layers.Dense(128, "relu"), layers.Dropout(0.3)]
    reader = keras.Sequential(
        [layers.Reshape((28, 28, 1)), convolutions, *hidden, layers.Dense(10)]
    )
    moves = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    x, c = np.concatenate([np.roll(x, move, axis=(1, 2)) for move in moves]), np.tile(c, len(moves))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compile_adam(reader, len(x), epochs, loss=loss)
    reader.fit(x, c, BATCH_SIZE, epochs, verbose=0)
    return reader


def classes_read(reader: keras.Model, images) -> np.ndarray:
    """Returns the likeliest class of each image."""
    return reader.predict(images, batch_size=1000, verbose=0).argmax(axis=1)


def counts(args) -> None:
    """Prints how much of the code log depth explains, with and without a size factor."""
    print("| counts of a cell | condition | sums, largest relative difference "
          "| code by log depth, within groups | overall | log depth by code, within groups "
          "| overall | code by groups |\n|---|---|---|---|---|---|---|---|")  # fmt: skip
    for depth in (1000, 200):
        x, groups = simulated_counts(15_000, depth, args.seed)
        for has_size in (True, False):
            cells = of_counts(x, groups, has_size, args)
            name = "SizeFactor()" if has_size else "none"
            print(f"| {depth} | {name} | {' | '.join(cells)} |", flush=True)


def of_counts(x, groups, has_size: bool, args) -> list[str]:
    """Returns the cells of one row, of the rows of x that were held out."""
    keras.utils.set_random_seed(args.seed)
    network = [layers.Activation(ops.log1p), kv.networks.DenseEncoder((128, 128))]
    vae = kv.VAE(
        kv.VariationalEncoder(args.latent_dim, keras.Sequential(network)),
        kv.networks.DenseDecoder(2 * x.shape[1], (128, 128)),
        "negative_binomial",
        condition=kv.conditions.SizeFactor() if has_size else None,
    )
    size, n = x.sum(axis=1), len(x) - N_VALIDATION
    given, given_test = ({"condition": s} if has_size else {} for s in (size[:n], size[n:]))
    compile_adam(vae, n, args.epochs)
    vae.fit(x[:n], batch_size=BATCH_SIZE, epochs=args.epochs, verbose=0, **given)
    sums = vae.reconstruct(x[n:], **given_test).sum(axis=1)
    shares = depth_and_code(vae.encode(x[n:], **given_test), np.log(size[n:]), groups[n:])
    return [f"{np.abs(sums / size[n:] - 1).max():.1e}", *(f"{share:.2%}" for share in shares)]


def simulated_counts(n: int, depth: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns negative binomial counts of 200 genes, of four groups of shares, and the groups.

    Nine tenths of the depths, which are log-normal around `depth`, lie within a factor of ten.
    """
    rng = np.random.default_rng(seed)
    shares, groups = rng.dirichlet(np.ones(200), size=4), rng.integers(4, size=n)
    depths = depth * np.exp(0.7 * rng.normal(size=(n, 1)))
    rates = shares[groups] * depths * rng.gamma(10.0, 0.1, size=(n, 200))
    return rng.poisson(rates).astype("float32"), groups


def depth_and_code(z, log_depth, groups) -> tuple[float, ...]:
    """Returns R² of codes by log depth, within groups and overall; of log depth by codes; groups.

    That of codes is the share of their variance, summed over the dimensions.
    """
    depth = log_depth[:, None]
    inner_z, inner_depth = within(z, groups), within(depth, groups)
    of_code = explained(inner_z, inner_depth), explained(z, depth)
    of_depth = explained(inner_depth, inner_z), explained(depth, z)
    return *of_code, *of_depth, explained(z, np.eye(groups.max() + 1)[groups])


def within(values, groups) -> np.ndarray:
    """Returns values less the means of their groups."""
    members = np.eye(groups.max() + 1)[groups]
    return values - members @ (members.T @ values / members.sum(axis=0)[:, None])


def explained(values, by) -> float:
    """Returns the share of the variance of values that a linear regression explains."""
    values, by = values - values.mean(axis=0), by - by.mean(axis=0)
    rest = values - by @ np.linalg.lstsq(by, values, rcond=None)[0]
    return 1.0 - float((rest**2).sum() / (values**2).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=tuple(BUDGETS))
    parser.add_argument("--data", type=Path, help="mnist.npz; downloaded by Keras if not given")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--latent-dim", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--given", type=int, nargs="+", default=[1, 2, 3], help="quadrants")
    parser.add_argument("--n-samples", type=int, default=200, help="importance samples")
    parser.add_argument("--n-test", type=int, default=10_000)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    epochs, latent_dim = BUDGETS[args.table]
    args.epochs, args.latent_dim = args.epochs or epochs, args.latent_dim or latent_dim
    {"quadrants": quadrants, "read": read, "counts": counts}[args.table](args)


if __name__ == "__main__":
    main()
