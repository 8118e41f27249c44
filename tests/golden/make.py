"""Writes the golden files of this version: one model and what it computes, per backend.

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


def main() -> None:
    backend = keras.backend.backend()
    keras.utils.set_random_seed(0)
    vae, shape = make_vae(backend)
    x = np.random.default_rng(0).random((16, *shape)).astype("float32")
    vae.compile(keras.optimizers.Adam(1e-2))
    vae.fit(x, batch_size=8, epochs=3, verbose=0)
    path = Path(__file__).with_name(f"{kv.__version__}-{backend}.keras")
    vae.save(path)
    computed = {"z": vae.encode(x), "reconstruction": vae.reconstruct(x)}
    np.savez_compressed(path.with_suffix(".npz"), x=x, **computed)


if __name__ == "__main__":
    main()
