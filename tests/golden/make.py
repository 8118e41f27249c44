"""Writes the golden files of this version: models, what they compute and how they go on.

Run once per version and backend, before its release; older files stay as they are:

    KERAS_BACKEND=jax python tests/golden/make.py
"""

from pathlib import Path

import keras
import numpy as np

import keras_vae as kv


def make_vae(backend: str) -> tuple[kv.VAE, tuple]:
    """Returns a model that is different for each backend, and the shape of a sample."""
    if backend == "tensorflow":
        encoder = kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,)))
        decoder = kv.networks.DenseDecoder(12, (8,))
        beta = keras.optimizers.schedules.PolynomialDecay(0.0, 20, 4.0)
        return kv.VAE(encoder, decoder, beta=beta), (12,)
    if backend == "jax":
        encoder = kv.VariationalEncoder(2, kv.networks.ConvEncoder((4, 6)))
        decoder = kv.networks.ConvDecoder((8, 8, 1), (6, 4))
        prior = kv.priors.VampPrior(n_components=5)
        return kv.VAE(encoder, decoder, "continuous_bernoulli", prior), (8, 8, 1)
    critic = keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
    iaf = kv.posteriors.get("inverse_autoregressive_flow")
    encoder = kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,)), posterior=iaf)
    return kv.VAE(
        encoder,
        kv.networks.DenseDecoder(12, (8,)),
        kv.likelihoods.Gaussian("learned"),
        prior=kv.priors.GaussianMixture(4),
        objective=kv.objectives.InfoMaxVAE(network=critic),
    ), (12,)


def make_kinds() -> dict[str, tuple]:
    """Returns models, by what is special in their files, each with the shape of a sample."""
    critic = keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])

    def dense(posterior="diagonal_normal"):
        return kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,)), posterior=posterior)

    def decoder():
        return kv.networks.DenseDecoder(12, (8,))

    return {
        "critic": (
            kv.VAE(dense(), decoder(), objective=kv.objectives.FactorVAE(network=critic)),
            (12,),
        ),
        "default_network": (
            kv.VAE(kv.VariationalEncoder(2), kv.networks.ConvDecoder((8, 8, 1), (6, 4))),
            (8, 8, 1),
        ),
        "learned_parts": (
            kv.VAE(
                dense("planar_flow"),
                decoder(),
                kv.likelihoods.Gaussian("per_feature"),
                kv.priors.RealNVP(n_layers=2, units=(8,)),
            ),
            (12,),
        ),
    }


def write(name: str, vae: kv.VAE, shape: tuple) -> None:
    """Trains `vae` for 3 epochs, saves it, and notes what it computes and the loss of a fourth."""
    x = np.random.default_rng(0).random((16, *shape)).astype("float32")
    vae.compile(keras.optimizers.Adam(1e-2))
    vae.fit(x, batch_size=8, epochs=3, verbose=0)
    path = Path(__file__).with_name(f"{kv.__version__}-{name}.keras")
    vae.save(path)
    computed = {"z": vae.encode(x), "reconstruction": vae.reconstruct(x)}
    computed["next_loss"] = vae.fit(x, batch_size=8, verbose=0).history["loss"]
    np.savez_compressed(path.with_suffix(".npz"), x=x, **computed)


def main() -> None:
    backend = keras.backend.backend()
    keras.utils.set_random_seed(0)
    write(backend, *make_vae(backend))
    for kind, model in make_kinds().items():
        write(f"{backend}-{kind}", *model)


if __name__ == "__main__":
    main()
