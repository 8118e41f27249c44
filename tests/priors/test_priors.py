"""The learned priors and the uniform one, against SciPy and TensorFlow Probability."""

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, assert_close, make_vae, to_numpy
from keras import ops
from scipy import special, stats

import keras_vae as kv

RNG = np.random.default_rng(0)
TENSORFLOW = keras.backend.backend() == "tensorflow"


@pytest.mark.parametrize("d", [2, 3, 7])
def test_uniform_on_the_sphere(d):
    prior = kv.priors.UniformOnSphere()
    prior.build((None, d))
    draws = to_numpy(prior.sample(4000, seed=0))
    np.testing.assert_allclose(np.linalg.norm(draws, axis=1), 1.0, rtol=1e-5)
    # One coordinate t of a uniform unit vector: (t + 1)/2 ~ Beta((d-1)/2, (d-1)/2).
    beta = stats.beta((d - 1) / 2, (d - 1) / 2)
    for i in range(d):
        assert stats.kstest((draws[:, i] + 1) / 2, beta.cdf).pvalue > 1e-3
    area = 2 * np.pi ** (d / 2) / special.gamma(d / 2)
    np.testing.assert_allclose(to_numpy(prior.log_prob(draws)), -np.log(area), rtol=1e-5)
    np.testing.assert_array_equal(draws, to_numpy(prior.sample(4000, seed=0)))


def test_real_nvp_starts_as_the_standard_normal():
    prior = kv.priors.RealNVP()
    prior.build((None, 3))
    z = RNG.normal(size=(5, 3)).astype("float32")
    assert_close(to_numpy(prior.log_prob(z)), stats.norm.logpdf(z).sum(-1), rtol=1e-4)


def test_real_nvp_density_integrates_to_one_and_samples_follow_it():
    prior = kv.priors.RealNVP(n_layers=4, units=(8,))
    prior.build((None, 2))
    prior.set_weights([RNG.normal(scale=0.6, size=w.shape) for w in prior.get_weights()])
    side = np.linspace(-30, 30, 1201)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2).astype("float32")
    mass = np.exp(to_numpy(prior.log_prob(grid)).astype("f8")) * (side[1] - side[0]) ** 2
    assert mass.sum() == pytest.approx(1.0, rel=0.01)
    draws = to_numpy(prior.sample(5000, seed=0))
    for corner in np.quantile(draws, [0.2, 0.5, 0.8], axis=0):
        expected = mass[(grid < corner).all(axis=1)].sum()
        found = (draws < corner).all(axis=1).mean()
        assert abs(found - expected) < 5 * np.sqrt(expected * (1 - expected) / 5000) + 0.01


def test_real_nvp_of_one_dimension_is_an_affine_map():
    prior = kv.priors.RealNVP(n_layers=3, units=(8,))
    prior.build((None, 1))
    prior.set_weights([RNG.normal(scale=0.6, size=w.shape) for w in prior.get_weights()])
    draws = to_numpy(prior.sample(5000, seed=0))[:, 0]
    z = np.linspace(-3, 3, 9, dtype="float32")[:, None]
    expected = stats.norm.logpdf(z[:, 0], draws.mean(), draws.std())
    np.testing.assert_allclose(to_numpy(prior.log_prob(z)), expected, atol=0.1, rtol=0.05)


@pytest.mark.parametrize("posterior", ["diagonal_normal", "full_covariance_normal"])
def test_vamp_agrees_with_tensorflow_probability(x, posterior):
    import tensorflow_probability as tfp

    tfd = tfp.distributions
    encoder = kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,)), posterior=posterior)
    prior = kv.priors.VampPrior(pseudo_inputs=x[:7])
    vae = kv.VAE(encoder, kv.networks.DenseDecoder(N_FEATURES, (8,)), prior=prior)
    vae.build((None, N_FEATURES))
    params = {k: to_numpy(v) for k, v in vae.posterior_params(x[:7]).items()}
    if posterior == "diagonal_normal":
        sigma = np.exp(0.5 * params["z_log_var"])
        components = tfd.MultivariateNormalDiag(params["z_mean"], sigma)
    else:
        components = tfd.MultivariateNormalTriL(params["z_mean"], params["z_scale_tril"])
    reference = tfd.MixtureSameFamily(tfd.Categorical(logits=np.zeros(7, "float32")), components)
    z = RNG.normal(size=(2, 5, 3)).astype("float32")
    assert_close(to_numpy(prior.log_prob(z)), reference.log_prob(z), rtol=1e-4)
    draws = to_numpy(prior.sample(5000, seed=0))
    expected = reference.mean().numpy()
    error = 6 * reference.stddev().numpy() / np.sqrt(5000)
    assert (np.abs(draws.mean(axis=0) - expected) < error).all()


@pytest.mark.parametrize(
    "posterior", ["diagonal_normal", "full_covariance_normal", "von_mises_fisher"]
)
def test_vamp_encodes_each_pseudo_input_once_however_many_draws(x, posterior):
    rows = []

    class Counting(keras.layers.Dense):
        def call(self, inputs, **kwargs):
            rows.append(inputs.shape[0])
            return super().call(inputs, **kwargs)

    encoder = kv.VariationalEncoder(3, Counting(8, activation="tanh"), posterior)
    vae = make_vae(encoder=encoder, prior=kv.priors.VampPrior(pseudo_inputs=x[:4]))
    vae.build((None, N_FEATURES))
    rows.clear()
    draws = to_numpy(vae.prior.sample(20_000, seed=1))
    assert draws.shape == (20_000, 3) and rows == [4]
    np.testing.assert_array_equal(to_numpy(vae.prior.sample(20_000, seed=1)), draws)
    # Each component as often, and with its own moments.
    components = to_numpy(vae.posterior(keras.ops.convert_to_tensor(x[:4])).sample(5000, seed=2))
    components = components.reshape(-1, 3)
    error = components.std(axis=0) / np.sqrt(10_000)
    assert (np.abs(draws.mean(axis=0) - components.mean(axis=0)) < 5 * error).all()
    centred = components - components.mean(axis=0)
    products = centred[:, :, None] * centred[:, None]
    error = products.std(axis=0) / np.sqrt(10_000)
    assert (np.abs(np.cov(draws.T) - np.cov(components.T)) < 5 * error).all()
    # No two parts of the draws are alike.
    assert not np.isclose(draws[:4096], draws[4096:8192]).any(axis=1).all()
    assert len(np.unique(draws, axis=0)) > 19_900


def test_vamp_takes_the_range_of_the_pseudo_inputs(tmp_path):
    x = RNG.normal(size=(64, N_FEATURES)).astype("float32") * 5.0
    vae = make_vae(likelihood="gaussian", prior=kv.priors.VampPrior(pseudo_inputs=x[:9]))
    vae.build((None, N_FEATURES))
    components = vae.posterior(x[:9])
    z = RNG.normal(size=(4, 3)).astype("float32")
    log_q = to_numpy(components.log_prob(ops.array(z)[:, None]))
    expected = special.logsumexp(log_q, axis=1) - np.log(9)
    np.testing.assert_allclose(to_numpy(vae.prior.log_prob(z)), expected, rtol=1e-4)
    vae.save(tmp_path / "vae.keras")
    copy = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_allclose(to_numpy(copy.prior.log_prob(z)), expected, rtol=1e-4)
    assert kv.priors.VampPrior(5).value_range == (0.0, 1.0)
    assert kv.priors.VampPrior(pseudo_inputs=x[:9], value_range=None).value_range is None


def test_vamp_pseudo_inputs_are_learned_and_stay_in_range(x, tmp_path):
    vae = make_vae(prior=kv.priors.VampPrior(5))
    vae.build((None, N_FEATURES))
    before = to_numpy(vae.prior.inputs)
    vae.fit(x, epochs=3, verbose=0)
    assert not np.allclose(before, to_numpy(vae.prior.inputs))
    vae.save(tmp_path / "vae.keras")
    copy = keras.saving.load_model(tmp_path / "vae.keras")
    z = vae.encode(x[:9])
    assert_close(to_numpy(copy.prior.log_prob(z)), to_numpy(vae.prior.log_prob(z)), rtol=1e-5)
    with pytest.raises(ValueError, match=r"pseudo_inputs has samples of shape \(4,\)"):
        make_vae(prior=kv.priors.VampPrior(pseudo_inputs=x[:5, :4])).fit(x)


@pytest.mark.parametrize("posterior", ["planar_flow", "inverse_autoregressive_flow"])
def test_vamp_refuses_flow_posteriors(posterior):
    encoder = kv.VariationalEncoder(3, posterior=posterior)
    with pytest.raises(ValueError, match=r"VampPrior needs log q.*real_nvp"):
        kv.VAE(encoder, kv.networks.DenseDecoder(N_FEATURES), prior="vamp")


# TensorFlow Probability


@keras.saving.register_keras_serializable(package="tests")
def scaled_normal(log_scale, shift):
    import tensorflow as tf
    import tensorflow_probability as tfp

    scale = tf.exp(log_scale) * tf.ones(3)
    return tfp.distributions.MultivariateNormalDiag(shift, scale)


@pytest.mark.skipif(not TENSORFLOW, reason="TFP computes with TensorFlow's tensors")
def test_a_tfp_distribution_as_prior(x, tmp_path):
    import tensorflow_probability as tfp

    tfd = tfp.distributions
    fixed = make_vae(prior=tfd.MultivariateNormalDiag(np.zeros(3, "f4"), np.full(3, 2.0, "f4")))
    history = fixed.fit(x, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert fixed.sample(4).shape == (4, N_FEATURES)
    with pytest.raises(ValueError, match=r"cannot be saved.*registered function"):
        fixed.save(tmp_path / "vae.keras")
    with pytest.raises(ValueError, match="variables, which Keras would not train"):
        import tensorflow as tf

        make_vae(prior=tfd.MultivariateNormalDiag(tf.Variable(np.zeros(3, "f4"))))
    with pytest.raises(ValueError, match=r"event shape \(\) and batch shape \(3,\)"):
        make_vae(prior=tfd.Normal(np.zeros(3, "f4"), 1.0)).fit(x)


@pytest.mark.skipif(not TENSORFLOW, reason="TFP computes with TensorFlow's tensors")
def test_a_trainable_tfp_prior_is_saved_and_loaded(x, tmp_path):
    weights = {"log_scale": 0.5, "shift": np.zeros(3)}
    vae = make_vae(prior=kv.priors.FromDistribution(scaled_normal, weights))
    vae.fit(x, epochs=2, verbose=0)
    assert abs(float(vae.prior.weights[0].value) - 0.5) > 1e-3
    vae.save(tmp_path / "vae.keras")
    copy = keras.saving.load_model(tmp_path / "vae.keras")
    z = vae.encode(x[:5])
    assert_close(copy.prior.log_prob(z), vae.prior.log_prob(z), rtol=1e-6)
    np.testing.assert_array_equal(copy.sample(3), vae.sample(3))


@pytest.mark.skipif(TENSORFLOW, reason="what other backends answer")
def test_tfp_is_refused_on_another_backend():
    with pytest.raises(RuntimeError, match=r"TensorFlow Probability.*KERAS_BACKEND=tensorflow"):
        kv.priors.FromDistribution(scaled_normal)
