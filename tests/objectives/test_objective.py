"""The loss: its identity, its independent computation, its schedule, its user-made parts."""

import keras
import numpy as np
import pytest
from helpers import FixedNoise, assert_close, make_vae, set_same_weights, to_numpy
from keras import ops
from keras.optimizers import schedules
from scipy import special

import keras_vae as kv


def logs(vae, x, **kwargs):
    return vae.evaluate(x, return_dict=True, verbose=0, **kwargs)


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_loss_is_reconstruction_plus_beta_kl_in_the_logs(x, beta):
    vae = make_vae(beta=beta)
    # 100 does not divide 256: the last batch is a partial one.
    history = vae.fit(x, validation_data=(x[:70], None), batch_size=100, epochs=2, verbose=0)
    for prefix in ("", "val_"):
        loss, reconstruction, kl = (
            np.array(history.history[prefix + name])
            for name in ("loss", "reconstruction_loss", "kl_loss")
        )
        np.testing.assert_allclose(loss, reconstruction + beta * kl, rtol=1e-6)


@pytest.mark.parametrize("name", ["bernoulli", "gaussian", "categorical"])
def test_loss_at_beta_1_is_minus_elbo_by_tensorflow_probability(x, name):
    import tensorflow_probability as tfp

    tfd = tfp.distributions
    decoder, target = None, x
    if name == "categorical":
        decoder = kv.networks.DenseDecoder((6, 2), (8,))
        target = np.stack([x[:, :6], 1.0 - x[:, :6]], axis=-1)
    vae = make_vae(likelihood=name, noise=0.7, decoder=decoder)
    loss = logs(vae, x, y=target)["loss"]

    z_mean, z_log_var = (to_numpy(t) for t in vae.posterior_params(x).values())
    sigma = np.exp(0.5 * z_log_var)
    params = to_numpy(vae.decoder(z_mean + sigma * 0.7))
    p_x = {
        "bernoulli": lambda: tfd.Independent(tfd.Bernoulli(logits=params), 1),
        "gaussian": lambda: tfd.Independent(tfd.Normal(params, 1.0), 1),
        "categorical": lambda: tfd.Independent(tfd.OneHotCategorical(logits=params), 1),
    }[name]()
    q, p = (
        tfd.MultivariateNormalDiag(z_mean, sigma),
        tfd.MultivariateNormalDiag(np.zeros_like(sigma)),
    )
    elbo = np.mean(p_x.log_prob(target) - tfd.kl_divergence(q, p))
    np.testing.assert_allclose(loss, -elbo, rtol=1e-4)


def test_loss_of_given_weights_data_and_noise_is_the_same_on_every_backend(x):
    """NumPy computes it; as each backend agrees with NumPy, they agree with each other."""
    vae = make_vae(noise=0.3, beta=2.0)
    vae.build((None, x.shape[1]))
    set_same_weights(vae)
    w = vae.get_weights()
    hidden = np.maximum(x @ w[0] + w[1], 0)
    z_mean, z_log_var = hidden @ w[2] + w[3], hidden @ w[4] + w[5]
    z = z_mean + np.exp(0.5 * z_log_var) * 0.3
    logits = np.maximum(z @ w[6] + w[7], 0) @ w[8] + w[9]
    p = special.expit(logits.astype("float64"))
    reconstruction = -(x * np.log(p) + (1 - x) * np.log1p(-p)).sum(1).mean()
    kl = 0.5 * (np.exp(z_log_var) + z_mean**2 - 1 - z_log_var).sum(1).mean()
    found = logs(vae, x)
    np.testing.assert_allclose(found["reconstruction_loss"], reconstruction, rtol=1e-4)
    np.testing.assert_allclose(found["kl_loss"], kl, rtol=1e-4)
    np.testing.assert_allclose(found["loss"], reconstruction + 2.0 * kl, rtol=1e-4)


def test_beta_schedule_changes_each_step_without_a_retrace(x):
    traces = []

    def log_likelihood(target, params):
        traces.append(1)
        return kv.likelihoods.Bernoulli().log_prob(target, params)

    vae = make_vae(likelihood=log_likelihood, beta=schedules.PolynomialDecay(0.0, 4, 2.0))
    betas, counts = [], []
    for _ in range(7):
        vae.reset_metrics()
        found = vae.train_on_batch(x[:32], return_dict=True)
        betas.append((found["loss"] - found["reconstruction_loss"]) / found["kl_loss"])
        assert found["beta"] == pytest.approx(betas[-1], abs=1e-4)
        counts.append(len(traces))
    np.testing.assert_allclose(betas, [0.0, 0.5, 1.0, 1.5, 2.0, 2.0, 2.0], atol=1e-3)
    if keras.backend.backend() != "torch":  # which runs eagerly, tracing nothing
        assert counts[-1] == counts[1]


def test_beta_schedule_counts_optimizer_steps_under_gradient_accumulation(x):
    optimizer = keras.optimizers.Adam(1e-3, gradient_accumulation_steps=2)
    vae = make_vae(optimizer, beta=schedules.PolynomialDecay(0.0, 4, 2.0))
    betas = []
    for _ in range(5):
        vae.reset_metrics()
        betas.append(float(vae.train_on_batch(x[:32], return_dict=True)["beta"]))
    np.testing.assert_allclose(betas, [0.0, 0.0, 0.5, 0.5, 1.0], atol=1e-6)
    vae.compile(optimizer)
    vae.reset_metrics()
    assert float(vae.train_on_batch(x[:32], return_dict=True)["beta"]) == pytest.approx(1.0)


def test_user_functions_replace_likelihood_and_kl(x):
    def log_likelihood(target, params):
        return -ops.sum(ops.abs(target - params), axis=-1)

    def half_square(posterior, prior, z):
        return 0.5 * ops.sum(ops.square(posterior.z_mean), axis=-1)

    vae = make_vae(noise=0.0, likelihood=log_likelihood, kl_divergence=half_square, beta=3.0)
    found = logs(vae, x)
    z_mean = to_numpy(vae.posterior_params(x)["z_mean"])
    error = np.abs(x - to_numpy(vae.decoder(z_mean))).sum(1).mean()
    np.testing.assert_allclose(found["reconstruction_loss"], error, rtol=1e-4)
    np.testing.assert_allclose(found["kl_loss"], 0.5 * (z_mean**2).sum(1).mean(), rtol=1e-4)
    assert_close(vae.reconstruct(x[:5]), to_numpy(vae.decoder(z_mean[:5])), rtol=1e-4)


@pytest.mark.parametrize("per_sample", [True, False])
def test_regularizer_sees_the_outputs_and_has_a_strength(x, per_sample):
    def regularizer(outputs):
        assert set(outputs) == {"reconstruction", "params", "z_mean", "z_log_var", "z"}
        norm = ops.sum(ops.square(outputs["z_mean"]), axis=-1)
        return norm if per_sample else ops.mean(norm)

    vae = make_vae(noise=0.0, regularizer=regularizer, regularization_strength=0.25)
    found = logs(vae, x, batch_size=256)
    expected = 0.25 * (to_numpy(vae.posterior_params(x)["z_mean"]) ** 2).sum(1).mean()
    np.testing.assert_allclose(found["regularization_loss"], expected, rtol=1e-4)
    total = found["reconstruction_loss"] + found["kl_loss"] + found["regularization_loss"]
    np.testing.assert_allclose(found["loss"], total, rtol=1e-6)


def test_weight_penalties_of_layers_join_the_loss(x):
    decoder = keras.Sequential(
        [keras.layers.Dense(12, kernel_regularizer=keras.regularizers.L2(0.1))]
    )
    found = logs(vae := make_vae(decoder=decoder), x)
    penalty = 0.1 * (vae.decoder.get_weights()[0] ** 2).sum()
    difference = found["loss"] - found["reconstruction_loss"] - found["kl_loss"]
    np.testing.assert_allclose(difference, penalty, rtol=1e-3)


def test_several_draws_per_input_are_averaged(x):
    encoder = kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,)), n_samples=5)
    vae = kv.VAE(encoder, kv.networks.DenseDecoder(12, (8,)))
    vae.compile("adam")
    history = vae.fit(x, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]

    losses = []
    for sampler in (Stacked((0.1, 0.9)), FixedNoise(0.1), FixedNoise(0.9)):
        other = make_vae()
        other.encoder.sampler = sampler
        other.build((None, 12))
        other.set_weights(vae.get_weights())
        losses.append(logs(other, x)["loss"])
    np.testing.assert_allclose(losses[0], np.mean(losses[1:]), rtol=1e-5)


class Stacked(FixedNoise):
    """One fixed noise per sample of the leading axis."""

    def call(self, inputs):
        z_mean, z_log_var = inputs
        return ops.stack([z_mean + ops.exp(0.5 * z_log_var) * e for e in self.epsilon])


def test_config_round_trip_of_a_schedule():
    objective = kv.objectives.ELBO(beta=schedules.PolynomialDecay(0.0, 10, 3.0))
    copy = kv.objectives.get(keras.saving.serialize_keras_object(objective))
    np.testing.assert_allclose(float(copy.beta(5)), 1.5)
    assert copy.kl_divergence is kv.objectives.kl_divergence


def test_wrong_use(x):
    for beta in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="beta must be finite and not negative"):
            make_vae(beta=beta)
    for beta in ("4", None.__class__, True):
        with pytest.raises(TypeError, match="beta must be a number or a"):
            make_vae(beta=beta)
    with pytest.raises(ValueError, match="either objective or beta, not both"):
        make_vae(objective="elbo", beta=1.0)
    with pytest.raises(ValueError, match=r"Unknown objective 'elbow'.*'elbo'"):
        make_vae(objective="elbow")
    with pytest.raises(TypeError, match="regularizer must be a function"):
        make_vae(regularizer=1.0)
    vae = make_vae(kl_divergence=lambda posterior, prior, z: ops.square(z))
    with pytest.raises(ValueError, match="one value per sample"):
        vae.train_on_batch(x)
