"""`vae.fit_prior`: a prior that is fitted after training, and what follows it."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers import LATENT_DIM, N_FEATURES, make_vae, to_numpy

import keras_vae as kv
from keras_vae.numerics.clusters import clusters

FAST = {"epochs": 3, "batch_size": 64, "verbose": 0}
# In which everything that a model computes with its prior is read from its file.
FRESH = """
import sys
import numpy as np
import keras_vae as kv

vae, x = kv.load_model(sys.argv[1]), np.load(sys.argv[2])
found = vae.score(x), vae.sample(5, seed=1), vae.log_likelihood(x, 3, seed=2).log_likelihood
np.savez(sys.argv[3], *found)
"""


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    prototypes = rng.random((3, N_FEATURES)) < 0.5
    samples = prototypes[rng.integers(3, size=192)] ^ (rng.random((192, N_FEATURES)) < 0.1)
    return samples.astype("float32")


@pytest.fixture(scope="module")
def file(data, tmp_path_factory):
    keras.utils.set_random_seed(0)
    vae = make_vae()
    vae.fit(data, epochs=15, batch_size=64, verbose=0)
    path = tmp_path_factory.mktemp("fit_prior") / "vae.keras"
    vae.save(path)
    return path


@pytest.fixture
def vae(file):
    return kv.load_model(file)


def bound(vae, x):
    """The ELBO of each row, of one draw that is the same at each call."""
    return vae.log_likelihood(x, n_samples=1, seed=3).log_likelihood


def draws(vae, x):
    """The draws of `bound`."""
    state = vae.evaluation_seed.state
    state.assign(keras.ops.convert_to_tensor([3, 0], dtype=state.dtype))
    return vae.posterior(x).sample(1, vae.evaluation_seed)[0]


@pytest.mark.parametrize("make", [lambda: kv.priors.GaussianMixture(3), lambda: "real_nvp"])
def test_the_bound_changes_by_that_of_log_p_of_z(vae, data, make):
    x, old, before = data[:100], vae.prior, bound(vae, data[:100])
    weights = [to_numpy(w) for part in (vae.encoder, vae.decoder) for w in part.weights]
    reconstruction = vae.evaluate(data, verbose=0, return_dict=True)["reconstruction_loss"]
    history = vae.fit_prior(data, make(), **FAST).history
    assert len(history["loss"]) == 3
    z = draws(vae, x)
    change = to_numpy(vae.prior.log_prob(z) - old.log_prob(z))
    assert abs(change).max() > 0.01
    np.testing.assert_allclose((bound(vae, x) - before).mean(), change.mean(), atol=1e-5)
    np.testing.assert_allclose(bound(vae, x) - before, change, atol=1e-4)
    again = [
        to_numpy(w) for part in (vae.encoder, vae.decoder) for w in part.weights[: len(weights)]
    ]
    for found, value in zip(again, weights, strict=True):
        np.testing.assert_array_equal(found, value)
    logs = vae.evaluate(data, verbose=0, return_dict=True)
    assert abs(logs["reconstruction_loss"] - reconstruction) < 0.5  # of other draws


def test_the_new_prior_is_better_than_the_old_one(vae, data):
    x = data + 3.0  # whose codes lie far from where the old prior has them
    z = vae.encode(x, draw=True, seed=0)
    before = to_numpy(vae.prior.log_prob(z)).mean()
    history = vae.fit_prior(x, kv.priors.GaussianMixture(4), epochs=30, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert to_numpy(vae.prior.log_prob(z)).mean() > before + 1.0


def test_what_was_compiled_before_follows(vae, data):
    x = data[:8]
    before = vae.score(x), vae.sample(5, seed=1), bound(vae, x), vae.score(x[:1])
    vae.fit_prior(data, kv.priors.GaussianMixture(3), **FAST)
    z = vae.prior.sample(5, seed=1)
    np.testing.assert_allclose(vae.sample(5, seed=1), vae.decode(to_numpy(z)), rtol=1e-5, atol=1e-6)
    score = to_numpy(vae.score_given(keras.ops.convert_to_tensor(x)))
    np.testing.assert_allclose(vae.score(x), score, rtol=1e-4, atol=1e-4)
    after = vae.score(x), vae.sample(5, seed=1), bound(vae, x), vae.score(x[:1])
    assert not any(np.allclose(a, b, atol=1e-3) for a, b in zip(before, after, strict=True))


def test_a_fresh_process_reads_it(vae, data, tmp_path):
    vae.fit_prior(data, kv.priors.TwoStage(2, units=(8,)), **FAST)
    x = data[:6]
    paths = [tmp_path / name for name in ("vae.keras", "x.npy", "found.npz")]
    vae.save(paths[0])
    np.save(paths[1], x)
    subprocess.run([sys.executable, "-c", FRESH, *map(str, paths)], check=True)
    found = np.load(paths[2])
    expected = vae.score(x), vae.sample(5, seed=1), vae.log_likelihood(x, 3, seed=2).log_likelihood
    for name, value in zip(found.files, expected, strict=True):
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5)


def test_it_can_be_trained_on_and_goes_on_from_a_file(vae, data, tmp_path):
    vae.fit_prior(data, kv.priors.GaussianMixture(3), **FAST)
    means = to_numpy(vae.prior.means)
    vae.fit(data, epochs=2, verbose=0)
    assert not np.allclose(to_numpy(vae.prior.means), means)
    vae.save(tmp_path / "vae.keras")
    copy = kv.load_model(tmp_path / "vae.keras")
    for a, b in zip(vae.variables, copy.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(a), to_numpy(b), err_msg=a.path)
    for a, b in zip(vae.optimizer.variables, copy.optimizer.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(a), to_numpy(b), err_msg=a.path)
    found, expected = (v.fit(data, epochs=2, verbose=0).history["loss"] for v in (copy, vae))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_schedule_of_beta_goes_on(data):
    warm_up = keras.optimizers.schedules.PolynomialDecay(0.0, 1000, 1.0)
    vae = make_vae(keras.optimizers.SGD(2e-3), beta=warm_up)
    vae.fit(data, batch_size=64, epochs=2, verbose=0)
    vae.fit_prior(data, kv.priors.GaussianMixture(3), **FAST)
    assert int(to_numpy(vae.training_step)) == 6
    assert isinstance(vae.optimizer, keras.optimizers.SGD)
    np.testing.assert_allclose(float(to_numpy(vae.optimizer.learning_rate)), 2e-3)


def test_a_second_one_and_the_same_again(vae, data):
    vae.fit_prior(data, kv.priors.GaussianMixture(3), **FAST)
    mixture, means = vae.prior, to_numpy(vae.prior.means)
    vae.fit_prior(data, mixture, epochs=1, learning_rate=1e-4, verbose=0)
    assert vae.prior is mixture
    np.testing.assert_allclose(to_numpy(mixture.means), means, atol=1e-3)  # went on
    vae.fit_prior(data, kv.priors.VampPrior(4), **FAST)
    assert len([layer for layer in vae.layers if isinstance(layer, kv.priors.Prior)]) == 1
    assert vae.fit_prior(data, "standard_normal").history == {}
    assert vae.sample(2).shape == (2, N_FEATURES)


def test_an_interrupted_fit_leaves_the_old_prior(vae, data, monkeypatch):
    old, score = vae.prior, vae.score(data[:5])

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_vae.training.prior_model.PriorModel.fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        vae.fit_prior(data, "gaussian_mixture")
    assert vae.prior is old
    np.testing.assert_array_equal(vae.score(data[:5]), score)


def test_pseudo_inputs_begin_with_data(vae, data):
    prior = kv.priors.VampPrior(5)
    shifted = 2.0 * data - 1.0
    vae.fit_prior(shifted, prior, epochs=1, learning_rate=1e-9, batch_size=64, verbose=0)
    distances = np.abs(to_numpy(prior.inputs)[:, None] - shifted).max(axis=-1)
    assert distances.min(axis=1).max() < 1e-5
    assert prior.value_range == (-1.0, 1.0)
    np.testing.assert_array_equal(kv.priors.VampPrior(5).value_range, (0.0, 1.0))


@pytest.mark.parametrize("prior", ["conditional_mixture", "conditional_normal", "vamp"])
def test_with_a_condition(data, prior):
    vae = make_vae(likelihood="gaussian", condition=kv.conditions.OneHot(3))
    c = np.arange(len(data)) % 3
    x = data + 3.0  # whose codes lie far from the center, where priors begin
    vae.fit(x, condition=c, verbose=0)
    learned = {"epochs": 15, "learning_rate": 0.03, "verbose": 0}
    losses = vae.fit_prior(x, prior, condition=c, **learned).history["loss"]
    # A VampPrior begins where it is good.
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) + (0.3 if prior == "vamp" else -0.1)
    assert vae.sample(4, condition=2).shape == (4, N_FEATURES)
    assert np.isfinite(vae.log_likelihood(data[:4], 3, condition=c[:4]).log_likelihood).all()
    with pytest.raises(ValueError, match="condition"):
        vae.fit_prior(data, "gaussian_mixture", verbose=0)


def test_of_a_flow_and_of_a_stream(data):
    encoder = kv.VariationalEncoder(
        LATENT_DIM, kv.networks.DenseEncoder((8,)), posterior="planar_flow"
    )
    vae = make_vae(encoder=encoder)
    vae.fit(data, verbose=0)
    batches = (data[i : i + 50] for i in range(0, len(data), 50))
    history = vae.fit_prior(batches, kv.priors.GaussianMixture(2), **FAST).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_a_mixture_is_as_likely_as_scikit_learns(covariance):
    mixture = pytest.importorskip("sklearn.mixture")
    rng = np.random.default_rng(1)
    centres = np.array([[4.0, 0.0], [-3.0, 2.0], [0.0, -5.0]])
    tilt = np.array([[1.0, 0.0], [0.8, 0.4]])
    x = centres[rng.integers(3, size=300)] + rng.normal(size=(300, 2)) @ tilt.T
    x = x.astype("float32")
    encoder = kv.VariationalEncoder(2, keras.layers.Identity(), posterior="point")
    decoder = kv.networks.DenseDecoder(2, (4,))
    rae = kv.VAE(encoder, decoder, "gaussian", objective=kv.objectives.RAE())
    rae.build((None, 2))
    encoder.head.z_mean_head.set_weights([np.eye(2), np.zeros(2)])  # codes are x
    prior = kv.priors.GaussianMixture(3, covariance=covariance)
    rae.fit_prior(x, prior, epochs=60, batch_size=100, learning_rate=0.02, verbose=0)
    found = float(to_numpy(prior.log_prob(rae.encode(x))).mean())
    kind = {"diagonal": "diag", "full": "full"}[covariance]
    theirs = mixture.GaussianMixture(3, covariance_type=kind, n_init=3, random_state=0).fit(x)
    assert abs(found - theirs.score(x)) < 0.02


def test_clusters():
    rng = np.random.default_rng(0)
    z = np.repeat(np.eye(3), [20, 30, 50], axis=0) * 10.0 + 0.1 * rng.normal(size=(100, 3))
    found = sorted(clusters(z, 3, rng), key=len)
    assert [len(points) for points in found] == [20, 30, 50]
    means = [points.mean(axis=0) for points in found]
    np.testing.assert_allclose(means, 10.0 * np.eye(3), atol=0.2)
    few = clusters(np.ones((4, 2)), 6, rng)  # fewer points than clusters
    assert len(few) == 6 and all(len(points) for points in few)


def test_wrong_use(vae, data):
    with pytest.raises(ValueError, match="the model is not built"):
        make_vae().fit_prior(data, "real_nvp")
    with pytest.raises(ValueError, match="Unknown prior 'mixture'"):
        vae.fit_prior(data, "mixture")
    with pytest.raises(ValueError, match="prior of what a condition gives, which this VAE lacks"):
        vae.fit_prior(data, "conditional_normal")
    with pytest.raises(ValueError, match=r"so that the KL is infinite"):
        vae.fit_prior(data, "uniform_on_sphere")
    with pytest.raises(ValueError, match="epochs must be a positive integer"):
        vae.fit_prior(data, "real_nvp", epochs=0)
    with pytest.raises(ValueError, match="learning_rate"):
        vae.fit_prior(data, "real_nvp", learning_rate=-1.0)
    with pytest.raises(ValueError, match=r"takes an array of shape \(n, 12\)"):
        vae.fit_prior(data[:, :5], "real_nvp")
    other = kv.priors.GaussianMixture(3)
    other.build((None, 7))
    with pytest.raises(ValueError, match=r"was built for codes of shape \(7,\)"):
        vae.fit_prior(data, other)
    assert isinstance(vae.prior, kv.priors.StandardNormal)
