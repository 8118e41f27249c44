"""How far two devices or processes of one machine end from one, for each objective.

    python benchmarks/distributed_equal.py --engines torch_processes --objectives iwae wae

A tiny VAE is trained for 20 steps, whose last batch of an epoch has one row, with sample weights
and fixed noise. Printed is the largest difference of a weight from the run on one device, over
the largest weight, or the words by which the engine refuses the objective.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from distributed import BACKENDS, IN_ONE_PROCESS, free_port, start

N_FEATURES, LATENT_DIM, N_CLASSES = 12, 3, 3
BATCH_SIZE, EPOCHS = 8, 4
TOLERANCE = 1e-6


def objectives():
    """Returns what makes each objective, by name: those of the package, and some sums."""
    from keras_vae import networks
    from keras_vae import objectives as o

    def network():
        return networks.DenseDecoder(1, (5,), "tanh")

    def classifier():
        return networks.DenseDecoder(N_CLASSES, (5,), "tanh")

    # Weights of a loss that leave 20 steps of a tiny model stable.
    special = {
        "beta_tc_vae": lambda: o.BetaTCVAE(3.0),
        "capacity": lambda: o.Capacity(2.0, 3.0),
        "dip_vae": lambda: o.DIPVAE("ii", 1.0, 1.0),
        "factor_vae": lambda: o.FactorVAE(2.0, network=network()),
        "info_max_vae": lambda: o.InfoMaxVAE(0.5, network=network()),
        "info_vae": lambda: o.InfoVAE(0.5, 3.0),
        "miwae": lambda: o.MIWAE(2, 3),
        "piwae": lambda: o.PIWAE(2, 3),
        "rae": lambda: o.RAE(0.1, 0.01),
        "trimmed": lambda: o.Trimmed(share=0.3),
        "wae": lambda: o.WAE(3.0),
    }
    return {
        **(o.NAMES | special),
        "iwae, doubly reparameterized": lambda: o.IWAE(4, "doubly_reparameterized"),
        "dip_vae, kind i": lambda: o.DIPVAE("i", 1.0, 1.0),
        "beta_tc_vae, weighted": lambda: o.BetaTCVAE(3.0, estimator="weighted"),
        "iwae + MMD": lambda: o.IWAE(4) + o.MMD(2.0),
        "trimmed free_bits": lambda: o.Trimmed(o.FreeBits(0.3), 0.3),
        "ELBO + Classifier": lambda: o.ELBO() + o.Classifier(N_CLASSES, 3.0),
        "iwae + Classifier": lambda: o.IWAE(4) + o.Classifier(N_CLASSES, 3.0),
        "SemiSupervised": lambda: o.SemiSupervised(1.0, classifier(), n_classes=N_CLASSES),
    }


def model(objective):
    """Returns a VAE whose noise is the same for each row, wherever it lies."""
    import keras
    from keras import ops

    import keras_vae as kv

    class SameNoise(kv.SampleLayer):
        def call(self, inputs, n_samples=None):
            mean, log_var = inputs
            shape = (1, LATENT_DIM) if n_samples is None else (n_samples, 1, LATENT_DIM)
            noise = np.random.default_rng(1).normal(size=shape).astype("float32")
            return mean + ops.exp(0.5 * log_var) * ops.convert_to_tensor(noise)

    class SamePrior(kv.priors.StandardNormal):
        def sample_rows(self, n, batch, seed=None):
            index = ops.cumsum(ops.ones((n * batch,), "int32")) - 1
            pattern = np.random.default_rng(2).normal(size=(4, LATENT_DIM)).astype("float32")
            return ops.take(ops.convert_to_tensor(pattern), index % 4, axis=0)

    posterior = "diagonal_normal" if objective.needs_kl else "point"
    encoder = kv.VariationalEncoder(LATENT_DIM, kv.networks.DenseEncoder((8,)), posterior)
    encoder.sampler = SameNoise(name="sampler")
    is_conditional = isinstance(objective, kv.objectives.SemiSupervised)
    vae = kv.VAE(
        encoder,
        kv.networks.DenseDecoder(N_FEATURES, (8,)),
        objective=objective,
        prior=SamePrior(),
        condition=kv.conditions.OneHot(N_CLASSES) if is_conditional else None,
    )
    vae.compile(keras.optimizers.SGD(0.02, momentum=0.5))
    return vae


def train(make, n_rows):
    """Returns the weights after training, one behind another, or the words of a refusal."""
    import keras

    rng = np.random.default_rng(0)
    x = (rng.random((n_rows, N_FEATURES)) < 0.4).astype("float32")
    beside = {"sample_weight": rng.choice([0.0, 0.5, 2.0], n_rows).astype("float32")}
    labels = rng.integers(-1, N_CLASSES, n_rows)
    objective = make()
    try:
        vae = model(objective)
        if objective.classes_of(vae.condition) is not None:
            beside["labels"] = labels
        vae.build((None, N_FEATURES))
        for variable in vae.trainable_variables:
            variable.assign(rng.normal(scale=0.5, size=variable.shape))
        vae.fit(x, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=0, **beside)
    except (ValueError, TypeError, NotImplementedError) as error:
        return f"{type(error).__name__}: {error}"
    weights = [keras.ops.convert_to_numpy(v) for v in vae.trainable_variables]
    return np.concatenate([np.ravel(w) for w in weights])


def work(engine, number, count, port, folder, n_rows, names):
    """Keeps what each objective ends with in a file of this process, after each."""
    with start(engine, number, count, port):
        import keras

        makers, found = objectives(), {}
        for name in names or makers:
            keras.utils.set_random_seed(0)
            found[name] = train(makers[name], n_rows)
            np.savez(f"{folder}/{number}.npz", **found)


def run(engine, count, options):
    """Returns what each process of an engine has found, by name of the objective.

    Without the objectives that the time did not suffice for.
    """
    port = str(free_port())
    n_processes = 1 if engine in IN_ONE_PROCESS else count
    environment = {**os.environ, "KERAS_BACKEND": BACKENDS[engine]}
    with tempfile.TemporaryDirectory() as folder:
        arguments = [str(count), port, folder, str(options.rows), *(options.objectives or [])]
        processes = []
        for number in range(n_processes):
            command = [sys.executable, __file__, "--work", engine, str(number), *arguments]
            with open(f"{folder}/{number}.log", "wb") as log:
                process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
            processes.append(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            processes[0].wait(timeout=options.timeout)
            for process in processes[1:]:
                process.wait(timeout=60)
        for process in processes:
            process.kill()
            process.wait()
        if processes[0].returncode not in (0, -signal.SIGKILL):
            log = (Path(folder) / "0.log").read_text()[-3000:]
            print(f"{engine} ended with an error:\n{log}", file=sys.stderr)
        files = [Path(folder) / f"{number}.npz" for number in range(n_processes)]
        return [dict(np.load(file)) if file.exists() else {} for file in files]


def compared(found, expected):
    """Returns the relative difference of the processes' weights from one device's, in words."""
    if any(f is None for f in found):
        return "no time"
    refusals = [str(f) for f in (*found, expected) if f.dtype.kind == "U"]
    if refusals:
        return refusals[0]
    difference = max(np.abs(f - expected).max() for f in found) / np.abs(expected).max()
    return f"{difference:.0e}" + ("" if difference <= TOLERANCE else " (!)")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="*", default=list(BACKENDS), choices=list(BACKENDS))
    parser.add_argument("--objectives", nargs="*", help="names, all by default")
    parser.add_argument("--rows", type=int, default=33, help="the last batch has rows modulo 8")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds of one engine's run")
    options = parser.parse_args()
    alone, table = {}, {}
    for engine in options.engines:
        backend = BACKENDS[engine]
        if backend not in alone:
            alone[backend] = run(engine, 1, options)[0]
        found = run(engine, 2, options)
        for name in alone[backend]:
            words = compared([f.get(name) for f in found], alone[backend][name])
            table.setdefault(name, {})[engine] = words
            print(engine, name, words, sep=", ", file=sys.stderr, flush=True)
    print("| objective |", " | ".join(options.engines), "|")
    print("|---" * (1 + len(options.engines)) + "|")
    for name, row in table.items():
        words = [row.get(engine, "no time") for engine in options.engines]
        print(f"| {name} |", " | ".join(words), "|")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        engine, number, count, port, folder, n_rows, *names = sys.argv[2:]
        work(engine, int(number), int(count), int(port), folder, int(n_rows), names)
    else:
        main()
