"""Each posterior, against SciPy, TensorFlow Probability and its own Jacobian."""

import keras
import numpy as np
import pytest
from helpers import assert_close, gradient, make_vae, to_numpy
from keras import ops
from scipy import stats

import keras_vae as kv
from keras_vae import distributions
from keras_vae.networks.autoregressive import AutoregressiveNetwork
from keras_vae.posteriors import DiagonalNormal, FullCovarianceNormal

RNG = np.random.default_rng(0)


def head(name, latent_dim, **kwargs):
    """A built head with random weights, and its posterior of 5 random features."""
    layer = kv.posteriors.NAMES[name](**kwargs)
    layer.set_latent_shape((latent_dim,))
    layer.build((None, 4))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(scale=len(w) ** -0.5, size=w.shape) for w in layer.get_weights()])
    return layer, layer.distribution(layer(rng.normal(size=(5, 4)).astype("float32")))


# Full covariance


@pytest.fixture
def full():
    import tensorflow_probability as tfp

    mean = RNG.normal(size=(6, 3)).astype("float32")
    tril = np.tril(RNG.normal(size=(6, 3, 3)), -1) + np.eye(3) * RNG.uniform(0.3, 2, (6, 1, 3))
    tril = tril.astype("float32")
    return FullCovarianceNormal(mean, tril), tfp.distributions.MultivariateNormalTriL(mean, tril)


def test_full_covariance_log_prob_agrees_with_tensorflow_probability(full):
    posterior, reference = full
    z = RNG.normal(size=(4, 6, 3)).astype("float32")
    expected = reference.log_prob(z).numpy()
    assert_close(to_numpy(posterior.log_prob(z)), expected, rtol=1e-4)
    np.testing.assert_allclose(
        to_numpy(posterior.covariance()), reference.covariance(), rtol=1e-4, atol=1e-5
    )
    sigma = np.sqrt(np.diagonal(reference.covariance(), axis1=1, axis2=2))
    marginals = stats.norm.logpdf(z, to_numpy(posterior.mean()), sigma)
    assert_close(to_numpy(posterior.marginal_log_prob(z)), marginals, rtol=1e-4)


def test_full_covariance_kl_agrees_with_tensorflow_probability(full):
    import tensorflow_probability as tfp

    posterior, reference = full
    prior = distributions.StandardNormal((3,))
    expected = reference.kl_divergence(
        tfp.distributions.MultivariateNormalDiag(np.zeros(3, "float32"))
    )
    assert_close(to_numpy(distributions.kl_divergence(posterior, prior)), expected, rtol=1e-4)
    per_dimension = to_numpy(distributions.kl_per_dimension(posterior, prior))
    assert_close(per_dimension.sum(-1), expected, rtol=1e-4)


def test_full_covariance_samples_follow_it(full):
    posterior, reference = full
    draws, log_prob = (to_numpy(t) for t in posterior.sample_and_log_prob(3000, seed=0))
    np.testing.assert_allclose(log_prob, reference.log_prob(draws), rtol=1e-3, atol=1e-3)
    white = np.linalg.solve(
        reference.scale.to_dense().numpy(), (draws - to_numpy(posterior.mean()))[..., None]
    )[..., 0]
    assert stats.kstest(white.ravel(), stats.norm.cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(white[:, 0].T) - np.eye(3)).max() < 0.1


# Normals


@pytest.mark.parametrize("full_covariance", [False, True])
def test_kl_is_exact_near_zero_and_never_negative(full_covariance):
    size = np.repeat(10.0 ** np.arange(-6, 1.0), 20)
    mean, log_var = (size[:, None] * RNG.normal(size=(140, 3)) for _ in range(2))
    mean, log_var = mean.astype("float32"), log_var.astype("float32")
    mean[::2] = 0.0
    if full_covariance:
        tril = np.exp(0.5 * log_var)[..., None] * np.eye(3, dtype="float32")
        tril[:, 2, 0] = mean[:, 1]
        posterior = FullCovarianceNormal(mean, tril)
        log_var = 2 * np.log(np.diagonal(tril, axis1=1, axis2=2).astype("float64"))
        square = mean.astype("float64") ** 2
        square[:, 2] += square[:, 1]
    else:
        posterior = DiagonalNormal(mean, log_var)
        log_var, square = log_var.astype("float64"), mean.astype("float64") ** 2
    expected = 0.5 * (np.expm1(log_var) - log_var + square)
    found = to_numpy(distributions.kl_per_dimension(posterior, distributions.StandardNormal((3,))))
    assert (found >= 0.0).all()
    # What the difference of two float32 numbers of the size of log σ² holds.
    assert (np.abs(found - expected) <= 1e-5 * expected + 2e-7 * np.abs(log_var)).all()


@pytest.mark.parametrize("full_covariance", [False, True])
def test_mean_covariance_is_that_of_the_covariances(full, full_covariance):
    weight = RNG.dirichlet(np.ones(6)).astype("float32")
    posterior = full[0]
    if not full_covariance:
        posterior = DiagonalNormal(posterior.z_mean, RNG.normal(size=(6, 3)))
    expected = np.einsum("i,ijk", weight, to_numpy(posterior.covariance()))
    found = to_numpy(posterior.mean_covariance(ops.array(weight)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


# Flows


@pytest.mark.parametrize("name", ["planar_flow", "inverse_autoregressive_flow"])
@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_flow_log_prob_follows_from_its_jacobian(name, latent_dim):
    _, posterior = head(name, latent_dim)
    mean, log_var = (to_numpy(t) for t in posterior.base())
    z_0 = mean + np.exp(0.5 * log_var) * RNG.normal(size=mean.shape).astype("float32")
    z, log_prob = posterior.from_base(ops.array(z_0))
    rows = [
        gradient(lambda t, i=i: ops.sum(posterior.from_base(t)[0][:, i]), z_0)
        for i in range(latent_dim)
    ]
    _, log_det = np.linalg.slogdet(np.stack(rows, axis=1).astype("float64"))
    base = stats.norm.logpdf(z_0, mean, np.exp(0.5 * log_var)).sum(-1)
    np.testing.assert_allclose(to_numpy(log_prob), base - log_det, rtol=1e-3, atol=1e-3)
    # Several draws per input go through the same map.
    twice = posterior.from_base(ops.stack([ops.array(z_0)] * 2))
    np.testing.assert_allclose(to_numpy(twice[0][1]), to_numpy(z), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(to_numpy(twice[1][1]), to_numpy(log_prob), rtol=1e-4, atol=1e-4)


def test_inverse_autoregressive_flow_depends_on_earlier_dimensions_only():
    _, posterior = head("inverse_autoregressive_flow", 4, n_flows=1)
    z_0 = RNG.normal(size=(5, 4)).astype("float32")
    jacobian = np.stack(
        [gradient(lambda t, i=i: ops.sum(posterior.from_base(t)[0][:, i]), z_0) for i in range(4)],
        axis=1,
    )
    assert (np.triu(jacobian, 1) == 0).all()
    assert (np.abs(jacobian[:, 3, :3]) > 1e-6).any()


@pytest.mark.parametrize(("dim", "units"), [(6, (3,)), (6, (5,)), (9, (16, 4)), (3, (1, 1))])
def test_autoregressive_outputs_depend_on_all_dimensions_before_them_and_no_other(dim, units):
    network = AutoregressiveNetwork(units, activation="tanh")
    network.build((None, dim))
    z = RNG.normal(size=(1, dim)).astype("float32")
    for output in range(2):
        rows = [
            gradient(lambda t, d=d, k=output: ops.sum(network(t)[:, k, d]), z)[0]
            for d in range(dim)
        ]
        np.testing.assert_array_equal(np.stack(rows) != 0, np.tri(dim, k=-1, dtype=bool))


def test_a_narrow_autoregressive_network_loads_the_weights_of_0_1():
    network = AutoregressiveNetwork((3,))
    network.build((None, 6), (None, 2))
    shapes = [(6, 3), (3,), (3, 12), (12,)]  # no weights from inputs to outputs
    store = {str(i): RNG.normal(size=shape) for i, shape in enumerate(shapes)}
    network.load_own_variables(store)
    found = network.get_weights()
    for value, loaded in zip(store.values(), found, strict=False):
        np.testing.assert_allclose(loaded, value, rtol=1e-6)
    assert not found[4].any()
    kept = {}
    network.save_own_variables(kept)
    network.load_own_variables({key: to_numpy(value) for key, value in kept.items()})
    assert len(kept) == 5


def test_a_draw_of_a_flow_travels_with_its_log_probability():
    _, posterior = head("planar_flow", 3)
    prior = distributions.StandardNormal((3,))
    z, log_q = posterior.sample_and_log_prob(4, seed=0)
    again = ops.reshape(ops.reshape(z, (-1,)), (4, 5, 3))  # the same numbers, another tensor
    kl = distributions.kl_divergence(posterior, prior, again, log_q)
    expected = to_numpy(log_q) - stats.norm.logpdf(to_numpy(z)).sum(-1)
    assert_close(to_numpy(kl), expected, rtol=1e-5)


def test_a_flow_knows_only_its_own_draws():
    _, posterior = head("planar_flow", 3)
    with pytest.raises(ValueError, match=r"knows log q.* of its own draws only"):
        posterior.log_prob(np.zeros((5, 3), "float32"))


# All of them


@pytest.mark.parametrize("name", sorted(kv.posteriors.NAMES))
@pytest.mark.parametrize("latent_dim", [1, 3])
@pytest.mark.parametrize("scale", [0.0, 1e4])
def test_gradients_are_finite_at_the_edges(name, latent_dim, scale):
    if name == "von_mises_fisher" and latent_dim == 1:
        latent_dim = 2
    layer = kv.posteriors.get(name)
    layer.set_latent_shape((latent_dim,))
    layer.build((None, 3))
    features = (scale * RNG.normal(size=(1, 3))).astype("float32")  # one sample in the batch
    sphere = name == "von_mises_fisher"
    kind = distributions.UniformOnSphere if sphere else distributions.StandardNormal
    prior = kind((latent_dim,))

    def loss(features):
        posterior = layer.distribution(layer(features))
        mean, log_var = posterior.base()
        z, log_prob = posterior.from_base(mean + ops.exp(0.5 * log_var) * 0.3)
        if not posterior.has_density:
            return ops.sum(z) * 1e-6
        kl = distributions.kl_divergence(posterior, prior, z, log_prob)
        # Scaled, as the squares of codes of 10⁴ are no edge of the posterior.
        return ops.sum(log_prob - prior.log_prob(z) + kl) * 1e-6

    assert np.isfinite(gradient(loss, features)).all()


@pytest.mark.parametrize("name", sorted(kv.posteriors.NAMES))
def test_outputs_of_the_encoder(x, name):
    encoder = kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,)), posterior=name, n_samples=4)
    outputs = dict(zip(encoder.latent_names, encoder(x), strict=True))
    assert outputs["z_mean"].shape == (256, 3)
    assert outputs["z"].shape == (4, 256, 3)
    params = encoder.posterior_params(x)
    np.testing.assert_allclose(
        to_numpy(params["z_mean"]), to_numpy(outputs["z_mean"]), rtol=1e-5, atol=1e-6
    )
    posterior = encoder.posterior(outputs)
    if posterior.has_density:
        known = posterior.knows_any_z
        log_prob = posterior.log_prob(outputs["z"]) if known else outputs["z_log_prob"]
        assert log_prob.shape == (4, 256)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(encoder))
    copy(x)
    copy.set_weights(encoder.get_weights())
    assert_close(to_numpy(copy(x)[0]), to_numpy(outputs["z_mean"]), rtol=1e-5)


def test_wrong_use(x):
    with pytest.raises(ValueError, match=r"Unknown posterior 'normal'.*'diagonal_normal'"):
        kv.VariationalEncoder(3, posterior="normal")
    with pytest.raises(ValueError, match="n_flows must be a positive integer"):
        kv.posteriors.PlanarFlowHead(0)
    with pytest.raises(ValueError, match="latent_dim of at least 2"):
        kv.VariationalEncoder(1, posterior="von_mises_fisher")(x)
    with pytest.raises(ValueError, match=r"prior on the unit sphere.*a posterior on all of R\^d"):
        make_vae(prior="uniform_on_sphere")
