"""NumPy's numbers are taken wherever Python's are, and are Python's in configs."""

import json

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, make_vae, on_one_backend, to_numpy

import keras_vae as kv

INT, FLOAT, TRUE = np.int64, np.float32, np.bool_(True)
LIKELIHOODS, PRIORS, OBJECTIVES = kv.likelihoods, kv.priors, kv.objectives
NETWORKS, POSTERIORS = kv.networks, kv.posteriors
PARTS = {
    "encoder": lambda i, f, b: kv.VariationalEncoder(i(4), n_samples=i(2), seed=i(3)),
    "sample layer": lambda i, f, b: kv.SampleLayer(n_samples=i(2), seed=i(3)),
    "dense encoder": lambda i, f, b: NETWORKS.DenseEncoder((i(4), i(5))),
    "dense encoder of one": lambda i, f, b: NETWORKS.DenseEncoder(i(4)),
    "dense decoder": lambda i, f, b: NETWORKS.DenseDecoder(i(4), np.array([4, 5])),
    "conv encoder": lambda i, f, b: NETWORKS.ConvEncoder((i(4),), kernel_size=i(3)),
    "conv decoder": lambda i, f, b: NETWORKS.ConvDecoder((i(8), i(8), i(1)), (i(4),), i(3)),
    "planar flow": lambda i, f, b: POSTERIORS.PlanarFlowHead(i(2)),
    "autoregressive flow": lambda i, f, b: POSTERIORS.InverseAutoregressiveFlowHead(
        i(2), (i(4),), i(3)
    ),
    "mixture": lambda i, f, b: PRIORS.GaussianMixture(i(3), seed=i(1)),
    "real_nvp": lambda i, f, b: PRIORS.RealNVP(i(2), (i(4),)),
    "vamp": lambda i, f, b: PRIORS.VampPrior(i(3), value_range=(f(0.0), f(1.0))),
    "gaussian": lambda i, f, b: LIKELIHOODS.Gaussian(f(0.5)),
    "laplace": lambda i, f, b: LIKELIHOODS.Laplace(f(0.5)),
    "student_t": lambda i, f, b: LIKELIHOODS.StudentT(i(4), f(0.5)),
    "bernoulli": lambda i, f, b: LIKELIHOODS.Bernoulli(from_logits=b),
    "categorical": lambda i, f, b: LIKELIHOODS.Categorical(from_logits=b),
    "poisson": lambda i, f, b: LIKELIHOODS.Poisson(zero_inflated=b),
    "levels": lambda i, f, b: LIKELIHOODS.DiscretizedLogistic(i(16)),
    "mixture of levels": lambda i, f, b: LIKELIHOODS.DiscretizedLogisticMixture(i(2), i(16)),
    "elbo": lambda i, f, b: OBJECTIVES.ELBO(beta=f(0.5)),
    "tc": lambda i, f, b: OBJECTIVES.BetaTCVAE(beta=i(4), data_size=i(100)),
    "iwae": lambda i, f, b: OBJECTIVES.IWAE(i(5)),
    "miwae": lambda i, f, b: OBJECTIVES.MIWAE(i(2), i(3)),
    "ciwae": lambda i, f, b: OBJECTIVES.CIWAE(i(2), f(0.5)),
    "capacity": lambda i, f, b: OBJECTIVES.Capacity(f(5.0), i(10)),
    "schedule": lambda i, f, b: kv.schedules.Cyclical(i(10), f(4.0), i(0), f(0.5)),
}


def config_of(part):
    config = part.get_config()
    return {k: v for k, v in config.items() if k != "name"}


@on_one_backend
@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_the_same_from_numbers_of_numpy(name):
    with_numpy = PARTS[name](INT, FLOAT, TRUE)
    config = config_of(with_numpy)
    plain = config_of(PARTS[name](int, float, True))

    def without_names(value):
        text = json.dumps(value)  # which takes no NumPy
        return json.loads(text, object_hook=lambda d: {k: v for k, v in d.items() if k != "name"})

    assert without_names(config) == without_names(plain)
    copy = type(with_numpy).from_config(with_numpy.get_config())
    assert without_names(config_of(copy)) == without_names(config)


def test_a_model_of_numpy_numbers_trains_is_used_and_saved(x, tmp_path):
    encoder = kv.VariationalEncoder(INT(3), NETWORKS.DenseEncoder((INT(8),)), seed=INT(1))
    decoder = NETWORKS.DenseDecoder(INT(N_FEATURES), (INT(8),))
    vae = make_vae(
        encoder=encoder,
        decoder=decoder,
        beta=FLOAT(0.5),
        regularizer=lambda outputs: keras.ops.mean(outputs["z_mean"] ** 2),
        regularization_strength=FLOAT(0.1),
    )
    vae.fit(x, batch_size=INT(32), epochs=INT(1), verbose=0)
    z = vae.encode(x, batch_size=INT(50))
    assert vae.sample(INT(5), seed=INT(1), batch_size=INT(2)).shape == (5, N_FEATURES)
    np.testing.assert_array_equal(vae.sample(INT(5), seed=INT(1)), vae.sample(5, seed=1))
    draws = vae.decode(z, batch_size=INT(50), draw=True, seed=INT(3))
    np.testing.assert_array_equal(draws, vae.decode(z, batch_size=50, draw=True, seed=3))
    assert vae.interpolate(x[:2], x[2:4], n_steps=INT(3)).shape == (2, 3, N_FEATURES)
    assert np.isfinite(
        vae.log_likelihood(x[:4], n_samples=INT(5), seed=INT(1)).log_likelihood
    ).all()
    for prior in ("standard_normal", "gaussian_mixture", "real_nvp", "uniform_on_sphere"):
        prior = PRIORS.get(prior)
        prior.build((None, 3))
        np.testing.assert_array_equal(
            to_numpy(prior.sample(INT(4), seed=INT(2))), to_numpy(prior.sample(4, seed=2))
        )
    vae.regularizer = None
    vae.save(tmp_path / "vae.keras")
    np.testing.assert_allclose(kv.load_model(tmp_path / "vae.keras").encode(x), z, atol=1e-6)


@on_one_backend
@pytest.mark.parametrize("wrong", [0, -1, 2.0, np.float32(2.0), True, "2"])
def test_what_is_no_count_is_refused(wrong):
    with pytest.raises(ValueError, match="latent_dim must be a positive integer"):
        kv.VariationalEncoder(wrong)
    with pytest.raises(ValueError, match="n_samples must be a positive integer or None"):
        kv.SampleLayer(wrong)
    with pytest.raises(ValueError, match="units must hold positive integers"):
        NETWORKS.DenseEncoder((wrong,))
