"""The priors of a condition: their contract, and closed forms of NumPy and SciPy."""

import keras
import numpy as np
import pytest
from contracts.common import in_turn
from contracts.conditional_prior import ConditionalPriorContract
from helpers import assert_close, gradient, set_same_weights, to_numpy
from keras import ops
from scipy import special, stats

import keras_vae as kv
from keras_vae import distributions
from keras_vae.conditions import Given

RNG = np.random.default_rng(0)
CONDITIONAL = {
    n: c for n, c in kv.priors.NAMES.items() if issubclass(c, kv.priors.ConditionalPrior)
}
OPTIONS = {
    "conditional_mixture": {"n_components": 3},
    "conditional_real_nvp": {"n_layers": 2, "units": (8,)},
}
E = np.eye(3, dtype="float32")


class TestNamedConditionalPriors(ConditionalPriorContract):
    @pytest.fixture(params=in_turn(CONDITIONAL))
    def make(self, request):
        return lambda: CONDITIONAL[request.param](**OPTIONS.get(request.param, {}))


@keras.saving.register_keras_serializable(package="tests")
class OfItsOwn(kv.priors.ConditionalPrior):
    """The example of the base class: N(e(c) W, I)."""

    def build(self, input_shape):
        super().build(input_shape)
        self.network = keras.layers.Dense(self.event_shape[0], use_bias=False, dtype="float32")
        self.network.build((None, self.condition_size))

    def distribution_given(self, vector):
        mean = self.network(vector)
        return distributions.DiagonalNormal(mean, ops.zeros_like(mean))


class TestOfItsOwn(ConditionalPriorContract):
    @pytest.fixture
    def make(self):
        return OfItsOwn


def built(prior, shape=(2,), size=3):
    """Returns the prior with weights that are not those it begins with."""
    prior.condition_size = size
    prior.build((None, *shape))
    set_same_weights(prior)
    return prior


def of(prior, vector):
    return prior.given(Given(vector=ops.convert_to_tensor(vector)))


@pytest.mark.parametrize("units", [(), (5,)])
@pytest.mark.parametrize("shape", [(2,), (2, 2, 3)])
def test_the_kl_to_a_conditional_normal_is_in_closed_form(units, shape):
    prior = built(kv.priors.ConditionalNormal(units), shape)
    vector = RNG.normal(size=(4, 3)).astype("float32")
    h = vector
    *hidden, kernel, bias = prior.get_weights()
    for k, b in zip(hidden[::2], hidden[1::2], strict=True):
        h = np.maximum(h @ k + b, 0.0)
    mean, log_var = np.moveaxis((h @ kernel + bias).reshape(4, 2, *shape), 1, 0)
    q_mean, q_log_var = RNG.normal(size=(2, 4, *shape)).astype("float32")
    axes = tuple(range(1, mean.ndim))
    expected = 0.5 * (
        log_var - q_log_var - 1.0
        + (np.exp(q_log_var) + np.square(q_mean - mean)) / np.exp(log_var)
    ).sum(axis=axes)  # fmt: skip
    q = distributions.DiagonalNormal(ops.array(q_mean), ops.array(q_log_var))
    p = of(prior, vector).distribution()
    assert distributions.has_closed_form(q, p)
    assert_close(to_numpy(distributions.kl_divergence(q, p)), expected, rtol=1e-5)
    z = RNG.normal(size=(6, 4, *shape)).astype("float32")
    log_p = stats.norm.logpdf(z, mean, np.exp(0.5 * log_var)).sum(axis=tuple(a + 1 for a in axes))
    assert_close(to_numpy(of(prior, vector).log_prob(z)), log_p, rtol=1e-5)


@pytest.mark.parametrize("units", [(), (5,)])
def test_the_density_of_a_conditional_mixture_is_scipys(units):
    prior = built(kv.priors.ConditionalMixture(3, units))
    p = of(prior, E).distribution()
    logits, means, log_vars = (to_numpy(v) for v in (p.logits, p.means, p.log_vars))
    # What the networks give, by their last weights: the shifts, then log σ².
    if not units:
        kernel, bias = prior.normals.get_weights()
        shifts = (E @ kernel + bias).reshape(3, 2, 3, 2)
        assert_close(means, to_numpy(prior.means) + shifts[:, 0], rtol=1e-5)
        assert_close(log_vars, shifts[:, 1], rtol=1e-5)
    z = RNG.normal(size=(5, 3, 2)).astype("float32")
    log_weights = logits - special.logsumexp(logits, axis=-1, keepdims=True)
    per_component = [
        [
            stats.multivariate_normal(means[c, k], np.diag(np.exp(log_vars[c, k]))).logpdf(z[:, c])
            + log_weights[c, k]
            for k in range(3)
        ]
        for c in range(3)
    ]
    expected = special.logsumexp(np.array(per_component), axis=1).T
    assert_close(to_numpy(of(prior, E).log_prob(z)), expected, rtol=1e-5)
    # As often from each component, and with its moments.
    draws = to_numpy(p.sample(20_000, seed=0))
    weights = np.exp(log_weights)[..., None]
    mean = (weights * means).sum(axis=1)
    variance = (weights * (np.exp(log_vars) + np.square(means))).sum(axis=1) - np.square(mean)
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * np.sqrt(variance / 20_000)).all()
    np.testing.assert_allclose(draws.var(axis=0), variance, rtol=0.1)


def test_a_conditional_mixture_of_a_grid_sums_over_all_of_it():
    prior = built(kv.priors.ConditionalMixture(2), (2, 2, 3))
    p = of(prior, E).distribution()
    draws = p.sample(4, seed=1)
    assert tuple(draws.shape) == (4, 3, 2, 2, 3)
    flat = distributions.MixtureOfNormals(
        p.logits, *(ops.reshape(v, (3, 2, 12)) for v in (p.means, p.log_vars))
    )
    expected = to_numpy(flat.log_prob(ops.reshape(draws, (4, 3, 12))))
    assert_close(to_numpy(p.log_prob(draws)), expected, rtol=1e-5)


def test_a_conditional_real_nvp_changes_variables():
    """Log p(z|c) = log N(f(z; c); 0, I) + log |det ∂f/∂z|, by the Jacobian's columns."""
    prior = built(kv.priors.ConditionalRealNVP(3, (6,)))
    vector = RNG.normal(size=(7, 3)).astype("float32")
    z = RNG.normal(size=(7, 2)).astype("float32")

    def f(z):
        return prior._to_standard(z, ops.convert_to_tensor(vector))[0]

    jacobian = np.stack([gradient(lambda z, i=i: f(z)[:, i], z) for i in range(2)], axis=1)
    z_0 = to_numpy(f(ops.array(z)))
    expected = stats.norm.logpdf(z_0).sum(axis=1) + np.linalg.slogdet(jacobian)[1]
    assert_close(to_numpy(of(prior, vector).log_prob(z)), expected, rtol=1e-4)
    back = prior._from_standard(ops.array(z_0), ops.convert_to_tensor(vector))
    assert_close(to_numpy(back), z, rtol=1e-4)
    other = np.roll(vector, 1, axis=0)
    assert np.abs(to_numpy(of(prior, other).log_prob(z)) - expected).max() > 0.01


@pytest.mark.parametrize("c", range(3))
def test_the_density_of_a_conditional_real_nvp_integrates_to_one(c):
    prior = built(kv.priors.ConditionalRealNVP(4, (8,)))
    side = np.linspace(-30, 30, 601)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2).astype("float32")
    log_p = of(prior, E[c : c + 1]).log_prob(grid[:, None])
    mass = np.exp(to_numpy(log_p).astype("float64")).sum() * (side[1] - side[0]) ** 2
    assert mass == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("name", ["conditional_normal", "conditional_real_nvp"])
def test_they_begin_as_the_standard_normal(name):
    prior = CONDITIONAL[name]()
    prior.condition_size = 3
    prior.build((None, 2))
    z = RNG.normal(size=(5, 3, 2)).astype("float32")
    expected = stats.norm.logpdf(z).sum(axis=-1)
    assert_close(to_numpy(of(prior, E).log_prob(z)), expected, rtol=1e-5)


def test_a_condition_that_gives_no_vector_is_none_to_a_prior():
    with pytest.raises(ValueError, match="a prior of what a condition gives"):
        vae = kv.VAE(
            kv.VariationalEncoder(2),
            kv.networks.DenseDecoder(6),
            "poisson",
            "conditional_normal",
            condition=kv.conditions.Exposure(),
        )
        vae.build((None, 6))


def test_vectors_only_says_so():
    with pytest.raises(ValueError, match="ConditionalRealNVP is a prior of vectors"):
        kv.VAE(
            kv.VariationalEncoder(latent_shape=(2, 2, 3)),
            keras.layers.Dense(6),
            prior="conditional_real_nvp",
            condition=kv.conditions.OneHot(3),
        )
