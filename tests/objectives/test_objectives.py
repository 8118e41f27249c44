"""Each objective's formula, against NumPy, and its gradient, against its relatives."""

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, assert_close, assert_same_logs, gradient, make_vae, to_numpy
from keras import ops
from keras.optimizers import schedules
from scipy import special

import keras_vae as kv
from keras_vae.objectives import Forward, kernels

slow_on_jax = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="200 steps take a minute without XLA's optimizations"
)
RNG = np.random.default_rng(0)
MEAN = RNG.normal(size=(5, 3)).astype("float32")
LOG_VAR = RNG.normal(size=(5, 3)).astype("float32")
TARGET = (RNG.random((5, 4)) < 0.5).astype("float32")


def forward(n_samples=None, **changes):
    """A forward pass of 5 samples of 4 features and 3 latent dimensions."""
    shape = (5, 3) if n_samples is None else (n_samples, 5, 3)
    z = MEAN + np.exp(0.5 * LOG_VAR) * RNG.normal(size=shape).astype("float32")
    params = RNG.normal(size=(*shape[:-1], 4)).astype("float32")
    arguments = {
        "x": TARGET,
        "target": TARGET,
        "params": ops.array(params),
        "z": ops.array(z),
        "posterior": kv.posteriors.DiagonalNormal(MEAN, LOG_VAR),
        "prior": kv.priors.StandardNormal(),
        "likelihood": kv.likelihoods.Bernoulli(),
        "sample_weight": ops.full((5,), 0.2),
        "decode": lambda z: ops.array(params),
    }
    arguments["prior"].build((None, 3))
    return Forward(**(arguments | changes))


def terms(objective, f):
    return {name: to_numpy(value) for name, value in objective.compute(f).by_name().items()}


def numpy_parts(f):
    """log p(x|z), log p(z), log q(z|x) and the KL in closed form, by NumPy."""
    params, z = to_numpy(f.params).astype("f8"), to_numpy(f.z).astype("f8")
    log_px = (TARGET * params - np.log1p(np.exp(params))).sum(-1)
    log_pz = (-0.5 * z**2 - 0.5 * np.log(2 * np.pi)).sum(-1)
    log_qz = (-0.5 * (z - MEAN) ** 2 / np.exp(LOG_VAR) - 0.5 * LOG_VAR).sum(-1)
    log_qz = log_qz - 1.5 * np.log(2 * np.pi)
    kl = 0.5 * (np.exp(LOG_VAR) + MEAN**2 - 1 - LOG_VAR)
    return log_px, log_pz, log_qz, kl


def test_every_objective_reports_its_terms_by_name():
    for name in kv.objectives.NAMES:
        objective = kv.objectives.get(name)
        objective.build((None, 4), (None, 3))
        found = terms(objective, forward(objective.n_draws, data_size=ops.array(50.0)))
        names = {"loss", "reconstruction_loss", *objective.own_terms}
        names |= {"kl_loss"} if objective.needs_kl else set()
        assert set(found) == names, name
        assert all(np.isfinite(value).all() for value in found.values()), name
        assert all(value.shape in ((), (5,)) for value in found.values()), name


@pytest.mark.parametrize("name", sorted(kv.objectives.NAMES))
@pytest.mark.parametrize("log_var", [-20.0, 10.0])
def test_gradients_are_finite_for_one_sample_of_one_dimension_at_the_bounds(name, log_var):
    objective = kv.objectives.get(name)
    objective.build((None, 4), (None, 1))
    prior = kv.priors.StandardNormal(seed=0)
    prior.build((None, 1))
    n = objective.n_draws
    epsilon = RNG.normal(size=(1, 1) if n is None else (n, 1, 1)).astype("float32")

    def loss(z_mean):
        posterior = kv.posteriors.DiagonalNormal(z_mean, ops.full((1, 1), log_var))
        z = z_mean + np.exp(0.5 * log_var) * ops.array(epsilon)
        f = forward(n, x=TARGET[:1], target=TARGET[:1], z=z, posterior=posterior, prior=prior)
        f = replace(f, params=f.params[..., :1, :] + z, data_size=ops.array(10.0))
        f = replace(f, sample_weight=ops.ones((1,)), decode=lambda codes: f.params + codes)
        return objective.compute(f).loss

    assert np.isfinite(gradient(loss, np.full((1, 1), 0.5, "float32"))).all()


def test_free_bits():
    f = forward()
    log_px, _, _, kl = numpy_parts(f)
    floored = np.maximum(kl.mean(axis=0), 0.6).sum()
    found = terms(kv.objectives.FreeBits(0.6, beta=2.0), f)
    np.testing.assert_allclose(found["free_bits_kl"], floored, rtol=1e-5)
    assert_close(found["loss"], -log_px + 2.0 * floored, rtol=1e-4)
    assert_close(found["kl_loss"], kl.sum(-1), rtol=1e-5)


def test_capacity():
    f = forward()
    log_px, _, _, kl = numpy_parts(f)
    found = terms(kv.objectives.Capacity(capacity=7.0, gamma=3.0), f)
    expected = -log_px + 3.0 * abs(kl.sum(-1).mean() - 7.0)
    assert_close(found["loss"], expected, rtol=1e-4)


@pytest.mark.parametrize("kind", ["i", "ii"])
def test_dip_vae(kind):
    f = forward()
    covariance = np.cov(MEAN.T, bias=True)
    if kind == "ii":
        covariance = covariance + np.diag(np.exp(LOG_VAR).mean(axis=0))
    off = covariance - np.diag(np.diag(covariance))
    expected = 3.0 * (off**2).sum() + 5.0 * ((np.diag(covariance) - 1) ** 2).sum()
    found = terms(kv.objectives.DIPVAE(kind, 3.0, 5.0), f)
    assert_close(found["dip_loss"], expected, rtol=1e-4)
    assert_close(
        found["loss"], found["reconstruction_loss"] + found["kl_loss"] + expected, rtol=1e-4
    )


def test_dip_vae_makes_no_matrix_per_row():
    class NoMatrices(kv.posteriors.DiagonalNormal):
        def covariance(self):
            raise MemoryError

    f = forward()
    objective = kv.objectives.DIPVAE("ii")
    found = terms(objective, replace(f, posterior=NoMatrices(MEAN, LOG_VAR)))
    np.testing.assert_allclose(found["dip_loss"], terms(objective, f)["dip_loss"], rtol=1e-6)


# β-TC-VAE


def pairwise_log_q(z):
    difference = z[:, None] - MEAN
    per_dimension = -0.5 * difference**2 / np.exp(LOG_VAR) - 0.5 * LOG_VAR
    return per_dimension - 0.5 * np.log(2 * np.pi)


def test_beta_tc_vae_by_minibatch_weighted_sampling():
    f = forward()
    log_px, log_pz, log_qz, _ = numpy_parts(f)
    pairs = pairwise_log_q(to_numpy(f.z))
    log_q = special.logsumexp(pairs.sum(-1), axis=1) - np.log(5 * 40)
    log_product = (special.logsumexp(pairs, axis=1) - np.log(5 * 40)).sum(-1)
    objective = kv.objectives.BetaTCVAE(6.0, 2.0, 3.0, estimator="weighted", data_size=40)
    found = terms(objective, f)
    size = (log_qz, log_q, log_product, log_pz)
    assert_close(found["mutual_information"], log_qz - log_q, 1e-5, size)
    assert_close(found["total_correlation"], log_q - log_product, 1e-5, size)
    assert_close(found["dimension_wise_kl"], log_product - log_pz, 1e-5, size)
    expected = -log_px + 2 * (log_qz - log_q) + 6 * (log_q - log_product)
    expected = expected + 3 * (log_product - log_pz)
    assert_close(found["loss"], expected, rtol=1e-4)


def test_stratified_sampling_is_unbiased():
    """Averaged over all minibatches of 3 of 5 samples it gives q(z) of the data set."""
    f = forward()
    z = to_numpy(f.z)[:1]
    exact = np.exp(pairwise_log_q(z).sum(-1)).mean()
    estimates = []
    for others in itertools.permutations(range(1, 5), 2):
        batch = [0, *others]
        objective = kv.objectives.BetaTCVAE(data_size=5)
        changes = {
            "x": TARGET[batch],
            "target": TARGET[batch],
            "params": f.params[:3],
            "z": ops.array(np.repeat(z, 3, axis=0)),
            "posterior": kv.posteriors.DiagonalNormal(MEAN[batch], LOG_VAR[batch]),
            "sample_weight": ops.full((3,), 1 / 3),
        }
        found = terms(objective, forward(**changes))
        log_qz = pairwise_log_q(z).sum(-1)[0, 0]  # under its own posterior
        estimates.append(np.exp(log_qz - found["mutual_information"][0]))
    assert np.mean(estimates) == pytest.approx(exact, rel=1e-3)


def test_data_size_is_taken_from_the_array_given_to_fit(x, tmp_path):
    losses = []
    for data_size in (None, 256, 5000):
        keras.utils.set_random_seed(1)
        vae = make_vae(objective=kv.objectives.BetaTCVAE(estimator="weighted", data_size=data_size))
        losses.append(vae.fit(x, shuffle=False, verbose=0).history)
    assert_same_logs(losses[0], losses[1], rtol=1e-5)
    found = [logs["mutual_information"] for logs in losses[1:]]
    assert not np.allclose(*found, rtol=1e-2)
    vae = make_vae(objective="beta_tc_vae")
    vae.fit(x, validation_split=0.25, verbose=0)
    assert float(vae.data_size.value) == 192
    vae.save(tmp_path / "vae.keras")
    copy = keras.saving.load_model(tmp_path / "vae.keras")
    assert np.isfinite(copy.evaluate(x, verbose=0)).all()
    batches = (rows for rows in np.split(x, 8))
    with pytest.raises(ValueError, match=r"BetaTCVAE needs to know how many.*data_size=\.\.\."):
        make_vae(objective="beta_tc_vae").fit(batches)
    for method in ("train_on_batch", "test_on_batch", "evaluate", "compute_loss"):
        vae = make_vae(objective="beta_tc_vae")
        with pytest.raises(ValueError, match=r"Call fit first, or give the number.*data_size="):
            getattr(vae, method)(x)
    known = make_vae(objective=kv.objectives.BetaTCVAE(data_size=256))
    assert np.isfinite(known.train_on_batch(x)).all()


# Kernels


@pytest.mark.parametrize("kernel", sorted(kernels.KERNELS))
def test_mmd_agrees_with_a_double_loop(kernel):
    z, p = RNG.normal(size=(6, 2)) + 0.5, RNG.normal(size=(8, 2))

    def k(a, b):
        square = ((a - b) ** 2).sum()
        if kernel == "rbf":
            return np.exp(-square / scale)
        return sum(s * scale / (s * scale + square) for s in (0.1, 0.2, 0.5, 1, 2, 5, 10))

    scale = np.mean([((a - b) ** 2).sum() for a, b in itertools.permutations(p, 2)])
    expected = (
        np.mean([k(a, b) for a, b in itertools.permutations(z, 2)])
        + np.mean([k(a, b) for a, b in itertools.permutations(p, 2)])
        - 2 * np.mean([k(a, b) for a in z for b in p])
    )
    found = kernels.maximum_mean_discrepancy(
        kernel, ops.array(z, "float32"), ops.full((6,), 1 / 6), ops.array(p, "float32")
    )
    assert float(found) == pytest.approx(expected, rel=1e-3, abs=1e-5)
    # A weight of zero counts for nothing.
    more = np.concatenate([z, [[50.0, 50.0]]])
    weights = ops.array([1 / 6] * 6 + [0.0], "float32")
    again = kernels.maximum_mean_discrepancy(
        kernel, ops.array(more, "float32"), weights, ops.array(p, "float32")
    )
    assert float(again) == pytest.approx(float(found), rel=1e-4, abs=1e-6)


def test_mmd_compares_no_draws_of_one_input():
    z, p = RNG.normal(size=(3, 4, 2)), RNG.normal(size=(12, 2))
    w = np.array([0.1, 0.2, 0.3, 0.4])

    def k(a, b):
        return np.exp(-((a - b) ** 2).sum(-1) / scale)

    scale = np.mean([((a - b) ** 2).sum() for a, b in itertools.permutations(p, 2)])
    pairs = list(itertools.permutations(range(4), 2))
    among_z = [k(z[:, None, i], z[None, :, j]).mean() for i, j in pairs]
    cross = [w[i] * k(z[:, None, i], p).mean() for i in range(4)]
    expected = (
        np.average(among_z, weights=[w[i] * w[j] for i, j in pairs])
        + np.mean([k(a, b) for a, b in itertools.permutations(p, 2)])
        - 2 * np.sum(cross)
    )
    arrays = (ops.array(values, "float32") for values in (z, w, p))
    found = kernels.maximum_mean_discrepancy("rbf", *arrays)
    assert float(found) == pytest.approx(expected, abs=1e-5)


def test_info_vae_and_wae_weigh_their_terms():
    f = forward()
    info = terms(kv.objectives.InfoVAE(alpha=0.25, strength=8.0), f)
    expected = info["reconstruction_loss"] + 0.75 * info["kl_loss"] + 7.25 * info["mmd"]
    assert_close(info["loss"], expected, rtol=1e-5)
    wae = terms(kv.objectives.WAE(8.0), f)
    assert_close(wae["loss"], wae["reconstruction_loss"] + 8 * wae["mmd"], rtol=1e-5)
    with pytest.raises(ValueError, match="alpha \\+ strength must be at least 1"):
        kv.objectives.InfoVAE(alpha=0.0, strength=0.5)
    with pytest.raises(ValueError, match="kernel must be one of 'imq', 'rbf'"):
        kv.objectives.WAE(kernel="linear")


# Importance weighting


def test_iwae_bound_and_its_relatives():
    f = forward(12)
    log_px, log_pz, log_qz, _ = numpy_parts(f)
    log_w = log_px + log_pz - log_qz
    iwae = special.logsumexp(log_w, axis=0) - np.log(12)
    found = terms(kv.objectives.IWAE(12), f)
    assert_close(found["loss"], -iwae, rtol=1e-4)
    assert_close(found["reconstruction_loss"], -log_px.mean(0), rtol=1e-4)
    np.testing.assert_allclose(found["kl_loss"], (log_qz - log_pz).mean(0), rtol=1e-3, atol=1e-4)
    w = special.softmax(log_w, axis=0)
    np.testing.assert_allclose(found["effective_sample_size"], 1 / (w**2).sum(0), rtol=1e-3)
    ciwae = terms(kv.objectives.CIWAE(12, elbo_weight=0.3), f)["loss"]
    assert_close(ciwae, -0.3 * log_w.mean(0) - 0.7 * iwae, rtol=1e-4)
    groups = special.logsumexp(log_w.reshape(3, 4, 5), axis=1) - np.log(4)
    miwae = terms(kv.objectives.MIWAE(3, 4), f)["loss"]
    assert_close(miwae, -groups.mean(0), rtol=1e-4)
    assert_close(terms(kv.objectives.PIWAE(3, 4), f)["loss"], -iwae, rtol=1e-4)


def deltas(objective, x, **kwargs):
    """Minus the gradient of encoder, decoder and auxiliary network at fixed weights and noise."""
    keras.utils.set_random_seed(3)
    vae = make_vae(keras.optimizers.SGD(1.0), objective=objective, **kwargs)
    vae.build((None, N_FEATURES))
    rng = np.random.default_rng(5)
    parts = {"encoder": vae.encoder, "decoder": vae.decoder}
    if vae.objective.network is not None:
        parts["network"] = vae.objective.network
    before = {}
    for name, part in parts.items():
        part.set_weights([rng.normal(scale=0.3, size=w.shape) for w in part.get_weights()])
        before[name] = part.get_weights()
    vae.train_on_batch(x)
    return {
        name: np.concatenate(
            [(b - a).ravel() for a, b in zip(before[name], part.get_weights(), strict=True)]
        )
        for name, part in parts.items()
    }


def test_piwae_trains_the_encoder_as_miwae_and_the_decoder_as_iwae(x):
    piwae = deltas(kv.objectives.PIWAE(3, 4), x[:64])
    np.testing.assert_allclose(
        piwae["encoder"], deltas(kv.objectives.MIWAE(3, 4), x[:64])["encoder"], atol=1e-4
    )
    np.testing.assert_allclose(
        piwae["decoder"], deltas(kv.objectives.IWAE(12), x[:64])["decoder"], atol=1e-4
    )
    assert not np.allclose(piwae["encoder"], deltas(kv.objectives.IWAE(12), x[:64])["encoder"])


def test_miwae_and_ciwae_at_their_ends(x):
    iwae, elbo = deltas(kv.objectives.IWAE(4), x), deltas(kv.objectives.CIWAE(4, 1.0), x)
    for name in ("encoder", "decoder"):
        for objective, expected in (
            (kv.objectives.MIWAE(1, 4), iwae),
            (kv.objectives.CIWAE(4, 0.0), iwae),
            (kv.objectives.MIWAE(4, 1), elbo),
        ):
            np.testing.assert_allclose(deltas(objective, x)[name], expected[name], atol=1e-4)


@pytest.mark.parametrize(
    ("gradient", "n_samples"), [("doubly_reparameterized", 4), ("sticking_the_landing", 1)]
)
@pytest.mark.parametrize("posterior", ["diagonal_normal", "von_mises_fisher"])
def test_other_gradients_have_the_same_expectation(x, gradient, n_samples, posterior):
    """Many copies of few samples average the noise out."""
    copies = np.repeat(x[:2], 6000, axis=0)

    def found(gradient):
        keras.utils.set_random_seed(3)
        encoder = kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,)), posterior=posterior)
        vae_parts = {"encoder": encoder} if posterior != "diagonal_normal" else {}
        if vae_parts:
            vae_parts["prior"] = "uniform_on_sphere"
        return deltas(kv.objectives.IWAE(n_samples, gradient), copies, **vae_parts)

    usual, other = found("reparameterized"), found(gradient)
    scale = np.abs(usual["encoder"]).max()
    np.testing.assert_allclose(other["encoder"], usual["encoder"], atol=0.08 * scale)
    np.testing.assert_allclose(other["decoder"], usual["decoder"], atol=1e-3)
    assert not np.allclose(other["encoder"], usual["encoder"], atol=1e-5 * scale)


def test_stopped_gradients_need_a_posterior_known_at_any_z():
    encoder = kv.VariationalEncoder(3, posterior="planar_flow")
    with pytest.raises(ValueError, match="IWAE with sticking_the_landing needs q"):
        objective = kv.objectives.IWAE(5, gradient="sticking_the_landing")
        kv.VAE(encoder, kv.networks.DenseDecoder(N_FEATURES), objective=objective)
    kv.VAE(encoder, kv.networks.DenseDecoder(N_FEATURES), objective="iwae")
    with pytest.raises(ValueError, match="gradient must be one of 'reparameterized'"):
        kv.objectives.IWAE(5, gradient="dreg")


def test_several_draws_need_an_encoder_that_gives_them():
    inputs = keras.Input((N_FEATURES,))
    mean, log_var = keras.layers.Dense(3)(inputs), keras.layers.Dense(3)(inputs)
    encoder = keras.Model(inputs, [mean, log_var, kv.SampleLayer()((mean, log_var))])
    with pytest.raises(ValueError, match=r"IWAE needs 5 draws.*VariationalEncoder"):
        kv.VAE(encoder, kv.networks.DenseDecoder(N_FEATURES), objective="iwae")


# Auxiliary networks


def test_the_discriminator_reaches_no_other_weight(x):
    elbo = deltas("elbo", x)
    without, with_penalty = (deltas(kv.objectives.FactorVAE(gamma=g), x) for g in (0.0, 10.0))
    for name in ("encoder", "decoder"):
        np.testing.assert_allclose(without[name], elbo[name], atol=1e-5)
    np.testing.assert_allclose(with_penalty["decoder"], elbo["decoder"], atol=1e-5)
    assert not np.allclose(with_penalty["encoder"], elbo["encoder"], atol=1e-3)
    np.testing.assert_allclose(with_penalty["network"], without["network"], atol=1e-5)
    assert np.abs(without["network"]).max() > 1e-4


@slow_on_jax
def test_the_discriminator_finds_total_correlation():
    """Codes of correlation 0.95 have TC = -½ log(1 - 0.95²) = 1.16 nats."""
    rng = np.random.default_rng(0)
    covariance = np.array([[1.0, 0.95], [0.95, 1.0]])
    z = rng.multivariate_normal([0, 0], covariance, size=4096).astype("float32")
    objective = kv.objectives.FactorVAE(network=critic(2))
    objective.build((None, 2), (None, 2))
    found = train_critic(objective, z, z)["total_correlation"].mean()
    assert found == pytest.approx(-0.5 * np.log(1 - 0.95**2), abs=0.2)


@slow_on_jax
def test_the_critic_finds_mutual_information():
    """x and z of correlation 0.9 have -½ log(1 - 0.9²) = 0.83 nats; the bound is below."""
    rng = np.random.default_rng(0)
    x, z = rng.multivariate_normal([0, 0], [[1.0, 0.9], [0.9, 1.0]], size=4096).T
    objective = kv.objectives.InfoMaxVAE(network=critic(2))
    objective.build((None, 1), (None, 1))
    found = train_critic(objective, x[:, None], z[:, None])["mutual_information"].mean()
    exact = -0.5 * np.log(1 - 0.9**2)
    assert exact - 0.25 < found < exact + 0.05


def critic(n_inputs):
    layers = [keras.layers.Dense(64, "relu") for _ in range(2)]
    network = keras.Sequential([keras.Input((n_inputs,)), *layers, keras.layers.Dense(1)])
    return network


def train_critic(objective, x, z):
    """Trains the auxiliary network alone, codes and reconstruction being constant."""

    prior, likelihood = kv.priors.StandardNormal(), kv.likelihoods.Gaussian()
    prior.build(z.shape)

    class Critic(keras.Model):
        def __init__(self):
            super().__init__()
            self.network = objective.network

        def call(self, inputs):
            x, z = inputs
            n = ops.shape(z)[0]
            zeros = ops.zeros_like(z)
            forward = Forward(
                x=x,
                target=ops.zeros((n, 1)),
                params=ops.zeros((n, 1)),
                z=z,
                posterior=kv.posteriors.DiagonalNormal(zeros, zeros),
                prior=prior,
                likelihood=likelihood,
                sample_weight=ops.ones((n,)) / n,
                decode=None,
            )
            return objective.compute(forward).by_name()

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return ops.mean(y_pred["loss"])

    model = Critic()
    model.compile(keras.optimizers.Adam(3e-3), jit_compile=False)
    x, z = x.astype("float32"), z.astype("float32")
    model.fit([x, z], np.zeros(len(z)), batch_size=256, epochs=12, verbose=0)
    return {name: to_numpy(value) for name, value in model([x, z]).items()}


def test_auxiliary_networks_are_trained_saved_and_loaded(x, tmp_path):
    for objective in ("factor_vae", "info_max_vae"):
        vae = make_vae(objective=objective)
        vae.build((None, N_FEATURES))
        before = vae.objective.network.get_weights()
        vae.fit(x, epochs=2, verbose=0)
        after = vae.objective.network.get_weights()
        assert not any(np.allclose(a, b) for a, b in zip(before, after, strict=True))
        vae.save(tmp_path / "vae.keras")
        copy = keras.saving.load_model(tmp_path / "vae.keras")
        for a, b in zip(after, copy.objective.network.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        histories = [v.fit(x, shuffle=False, verbose=0).history for v in (vae, copy)]
        assert_same_logs(histories[1], histories[0], rtol=1e-4)


@pytest.mark.parametrize("objective", ["factor_vae", "info_max_vae"])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
def test_auxiliary_networks_are_float32_under_any_policy(x, objective, policy):
    keras.config.set_dtype_policy(policy)
    try:
        vae = make_vae(keras.optimizers.Adam(1e-3), objective=objective)
        losses = vae.fit(x, epochs=2, verbose=0).history["loss"]
        network = vae.objective.network
        outputs = network(RNG.normal(size=(2, *network.stack[0].kernel.shape[:1])))
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(losses).all()
    assert {w.dtype for w in network.weights} == {"float32"}
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"


# Weights and schedules


@pytest.mark.parametrize(
    ("objective", "name"),
    [
        ("free_bits", "free_bits"),
        ("capacity", "capacity"),
        ("beta_tc_vae", "beta"),
        ("dip_vae", "off_diagonal"),
        ("info_vae", "strength"),
        ("ciwae", "elbo_weight"),
        ("factor_vae", "gamma"),
    ],
)
def test_any_weight_follows_a_schedule(x, objective, name, tmp_path):
    growing = schedules.PolynomialDecay(0.2, 4, 0.6)
    vae = make_vae(objective=kv.objectives.NAMES[objective](**{name: growing}))
    found = []
    for _ in range(3):
        vae.fit(x, batch_size=256, verbose=0)
        found.append(vae.history.history[name][0])
    np.testing.assert_allclose(found, [0.2, 0.3, 0.4], rtol=1e-5)
    vae.save(tmp_path / "vae.keras")
    copy = keras.saving.load_model(tmp_path / "vae.keras")
    history = copy.fit(x, batch_size=256, verbose=0).history
    assert history[name][0] == pytest.approx(0.5)


def test_objectives_refuse_what_makes_no_sense():
    for objective in ("beta_tc_vae", "dip_vae"):
        encoder = kv.VariationalEncoder(3, posterior="planar_flow")
        with pytest.raises(ValueError, match=r"needs the .* does not have in closed form"):
            kv.VAE(encoder, kv.networks.DenseDecoder(N_FEATURES), objective=objective)
    with pytest.raises(ValueError, match="free_bits must be finite and not negative"):
        kv.objectives.FreeBits(-1.0)
    with pytest.raises(TypeError, match="gamma must be a number or a"):
        kv.objectives.Capacity(gamma="high")
    with pytest.raises(ValueError, match="estimator must be one of 'stratified', 'weighted'"):
        kv.objectives.BetaTCVAE(estimator="exact")
    with pytest.raises(ValueError, match="elbo_weight must lie in"):
        kv.objectives.CIWAE(5, elbo_weight=2.0)
