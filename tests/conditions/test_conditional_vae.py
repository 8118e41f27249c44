"""A VAE with a condition, against one without, closed forms, and what every call must take."""

import itertools

import keras
import numpy as np
import pytest
from helpers import LATENT_DIM, N_FEATURES, assert_close, make_vae, set_same_weights, to_numpy
from keras import ops
from scipy import stats

import keras_vae as kv

RNG = np.random.default_rng(0)
DIGITS = np.arange(256) % 3
ANGLES = RNG.normal(size=256).astype("float32")


def conditional(**kwargs):
    kwargs.setdefault("condition", kv.conditions.OneHot(3))
    return make_vae(**kwargs)


def without_condition(vae, like):
    """Copies the weights of a model with a condition into one without, all but those of e(c)."""
    for old, new in zip(vae.weights, like.weights, strict=True):
        old = to_numpy(old)
        new.assign(old[: new.shape[0]] if new.shape else old)


@pytest.mark.parametrize(
    "objective", ["elbo", "iwae", "info_vae", kv.objectives.BetaTCVAE(data_size=256)]
)
def test_a_constant_condition_changes_nothing(x, objective):
    constant = {"condition": kv.conditions.Continuous(2, standardize=False)}
    with_condition = make_vae(noise=0.5 if objective == "elbo" else None, objective=objective,
                              **constant)  # fmt: skip
    without = make_vae(noise=0.5 if objective == "elbo" else None, objective=objective)
    with_condition.build({"x": (None, N_FEATURES), "condition": (None, 2)})
    without.build((None, N_FEATURES))
    set_same_weights(with_condition.encoder)
    set_same_weights(with_condition.decoder)
    for part in ("encoder", "decoder"):
        without_condition(getattr(with_condition, part), getattr(without, part))
    if objective != "elbo":
        for old, new in (
            (with_condition.encoder.sampler, without.encoder.sampler),
            (with_condition.prior, without.prior),
        ):
            new.seed_generator.state.assign(to_numpy(old.seed_generator.state))
    zeros = np.zeros((256, 2), "float32")
    found = with_condition.evaluate(x, condition=zeros, verbose=0, return_dict=True)
    expected = without.evaluate(x, verbose=0, return_dict=True)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-5, err_msg=name)
    assert_close(with_condition.encode(x, condition=[0.0, 0.0]), without.encode(x), 1e-6)


def test_the_likelihood_of_a_linear_model_is_exact():
    """Log p(x|c) of x = W z + B c + b + σε is that of a normal of covariance W Wᵀ + σ² I."""
    rng, sigma = np.random.default_rng(1), 0.7
    encoder, decoder = kv.VariationalEncoder(2, keras.layers.Identity()), keras.layers.Dense(4)
    likelihood, condition = kv.likelihoods.Gaussian(sigma), kv.conditions.OneHot(3)
    vae = kv.VAE(encoder, decoder, likelihood, condition=condition)
    vae.build((None, 4))
    # Orthogonal columns, so that the posterior is a diagonal normal: S Wᵀ(x - B c - b) / σ².
    w = np.linalg.qr(rng.normal(size=(4, 2)))[0] * [1.5, 0.8]
    b, bias = rng.normal(size=(3, 4)), rng.normal(size=4)
    decoder.set_weights([np.concatenate([w.T, b]), bias])
    variance = 1.0 / (1.0 + (w**2).sum(axis=0) / sigma**2)
    gain = w * variance / sigma**2
    head = vae.encoder.head
    head.z_mean_head.set_weights([np.concatenate([gain, -b @ gain]), -bias @ gain])
    head.z_log_var_head.set_weights([np.zeros((7, 2)), np.log(variance)])
    c = rng.integers(3, size=20)
    x = (rng.normal(size=(20, 2)) @ w.T + b[c] + sigma * rng.normal(size=(20, 4))).astype("float32")
    covariance = w @ w.T + sigma**2 * np.eye(4)
    expected = [
        stats.multivariate_normal(b[k] + bias, covariance).logpdf(row)
        for row, k in zip(x, c, strict=True)
    ]
    found = vae.log_likelihood(x, 50, condition=c, seed=0)
    np.testing.assert_allclose(found.log_likelihood, expected, atol=1e-4)
    np.testing.assert_allclose(found.effective_sample_size, 50.0, rtol=1e-3)
    wrong = vae.log_likelihood(x, 50, condition=(c + 1) % 3, seed=0).log_likelihood
    assert wrong.mean() < np.mean(expected) - 0.3
    # The score of an exact posterior's mean ranks as log p(x|c) does, apart from a constant.
    difference = vae.score(x, condition=c) - expected
    np.testing.assert_allclose(difference, difference[0], atol=1e-3)


CONDITIONS = {
    "one_hot": (lambda: kv.conditions.OneHot(3), DIGITS, 1),
    "names": (lambda: kv.conditions.OneHot(["a", "b", "c"]), np.array(list("abc"))[DIGITS], "b"),
    "embedding": (lambda: kv.conditions.Embedding(3, 2), DIGITS, 1),
    "continuous": (lambda: kv.conditions.Continuous(1), ANGLES, 0.3),
    "layer": (lambda: keras.layers.Dense(2), np.stack([ANGLES, ANGLES**2], 1), [0.1, 0.2]),
    "image": (
        lambda: kv.conditions.FromLayer(
            keras.Sequential([keras.layers.Conv2D(2, 2), keras.layers.Flatten()]), (3, 3, 1)
        ),
        RNG.normal(size=(256, 3, 3, 1)).astype("float32"),
        np.zeros((3, 3, 1)),
    ),
    "several": (
        lambda: {"digit": kv.conditions.OneHot(3), "angle": kv.conditions.Continuous(1)},
        {"digit": DIGITS, "angle": ANGLES},
        {"digit": 1, "angle": 0.3},
    ),
}


def rows(c, some):
    return {k: v[some] for k, v in c.items()} if isinstance(c, dict) else c[some]


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_call_takes_it_and_files_keep_it(name, x, tmp_path):
    make, c, one = CONDITIONS[name]
    vae = conditional(condition=make())
    history = vae.fit(x, condition=c, epochs=3, validation_split=0.25, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert history["val_loss"][-1] < history["val_loss"][0]
    vae.save(tmp_path / "vae.keras")
    copy = kv.load_model(tmp_path / "vae.keras")
    some = slice(0, 8)
    few, given = x[some], rows(c, some)
    z = vae.encode(few, condition=given)
    assert z.shape == (8, LATENT_DIM)
    results = {
        "encode": lambda vae: vae.encode(few, condition=given),
        "draw": lambda vae: vae.encode(few, condition=given, draw=True, seed=1),
        "decode": lambda vae: vae.decode(z, condition=given),
        "reconstruct": lambda vae: vae.reconstruct(few, condition=given),
        "sample": lambda vae: vae.sample(4, seed=1, condition=one),
        "score": lambda vae: vae.score(few, condition=given),
        "interpolate": lambda vae: vae.interpolate(few[:2], few[2:4], 3, condition=one),
        "transfer": lambda vae: vae.transfer(few, given, one),
        "log_likelihood": lambda vae: vae.log_likelihood(few, 20, condition=given, seed=1)[0],
        "std": lambda vae: vae.encode_distribution(few, condition=given).z_std,
        "kl": lambda vae: vae.kl_per_dimension(few, condition=given),
    }
    for function, result in results.items():
        found = result(vae)
        assert np.isfinite(found).all(), function
        np.testing.assert_allclose(result(copy), found, rtol=1e-5, atol=1e-5, err_msg=function)
    np.testing.assert_allclose(
        vae.reconstruct(few, condition=given), vae.decode(z, condition=given), rtol=1e-4, atol=1e-5
    )
    other = vae.decode(z, condition=one)
    assert np.abs(other - vae.decode(z, condition=given)).max() > 1e-4


PRIORS = ("conditional_normal", "conditional_mixture", "conditional_real_nvp", "vamp",
          "gaussian_mixture", "real_nvp")  # fmt: skip
OBJECTIVES = ("elbo", "iwae", "info_vae")
PAIRS = list(itertools.product(PRIORS, OBJECTIVES))
# Of what is to be compiled a few, in which nearly every part occurs.
PAIRS = PAIRS if keras.backend.backend() == "torch" else PAIRS[::4]


@pytest.mark.parametrize(("prior", "objective"), PAIRS, ids="-".join)
def test_every_prior_and_objective_goes_with_a_condition(prior, objective, x, tmp_path):
    vae = conditional(prior=prior, objective=objective)
    losses = vae.fit(x, condition=DIGITS, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    path = tmp_path / "vae.keras"
    vae.save(path)
    copy = kv.load_model(path)
    expected = vae.sample(5, seed=3, condition=2)
    np.testing.assert_allclose(copy.sample(5, seed=3, condition=2), expected, rtol=1e-4, atol=1e-5)
    vae.fit(x, condition=DIGITS, epochs=1, verbose=0)
    copy.fit(x, condition=DIGITS, epochs=1, verbose=0)
    np.testing.assert_allclose(
        copy.encode(x[:9], condition=1), vae.encode(x[:9], condition=1), rtol=1e-4, atol=1e-5
    )


def test_the_device_loop_does_what_keras_does(x):
    logs = []
    for device_loop in (True, False):
        keras.utils.set_random_seed(3)
        vae = conditional(compile_kwargs={"device_loop": device_loop})
        keras.utils.set_random_seed(4)
        logs.append(vae.fit(x, condition=DIGITS, epochs=2, verbose=0).history)
    for name, values in logs[0].items():
        np.testing.assert_allclose(logs[1][name], values, rtol=1e-5, atol=1e-5, err_msg=name)


def test_a_dict_and_streams_of_dicts_are_the_same_data(x):
    def trained(data, **kwargs):
        keras.utils.set_random_seed(3)
        vae = conditional()
        losses = vae.fit(data, shuffle=False, verbose=0, **kwargs).history["loss"]
        return vae, losses

    def batches():
        for i in range(0, 256, 32):
            yield {"x": x[i : i + 32], "condition": DIGITS[i : i + 32]}

    def tuples():
        for batch in batches():
            yield (batch,)

    expected, losses = trained(x, condition=DIGITS)
    in_dict = {"x": x, "condition": DIGITS}
    for data in (in_dict, batches(), tuples()):
        _, found = trained(data)
        np.testing.assert_allclose(found, losses, rtol=1e-5)
    np.testing.assert_array_equal(expected.encode(batches()), expected.encode(x, condition=DIGITS))
    np.testing.assert_array_equal(expected.encode(in_dict), expected.encode(batches()))
    np.testing.assert_allclose(
        expected.predict(in_dict, verbose=0), expected.reconstruct(in_dict), rtol=1e-5, atol=1e-6
    )


def test_validation_data_is_a_dict(x):
    vae = conditional()
    held_out = {"x": x[:64], "condition": DIGITS[:64]}
    for data in (held_out, (held_out,), (held_out, x[:64])):
        history = vae.fit(x, condition=DIGITS, validation_data=data, verbose=0).history
        assert np.isfinite(history["val_loss"]).all()
    with pytest.raises(ValueError, match="condition is missing"):
        vae.fit(x, condition=DIGITS, validation_data=(x, x), verbose=0)


WRONG = {
    "missing": ({}, "condition is missing: pass it"),
    "length": ({"condition": DIGITS[:9]}, "condition has 9 rows, but there are 256 of x"),
    "unseen": ({"condition": DIGITS + 1}, r"condition has 3(\.0)?, but categories are .* 0 to 2"),
    "unknown": (
        {"condition": DIGITS - 1},
        "condition is unknown in 86 of 256 rows, first in row 0",
    ),
    "fraction": ({"condition": DIGITS / 2}, r"condition has 0.5"),
    "text": ({"condition": np.array(["a"] * 255 + [None])}, "condition is unknown in 1 of 256"),
    "one-hot": ({"condition": np.eye(3)[DIGITS]}, r"argmax"),
    "a stream": ({"condition": iter([DIGITS])}, "array with a row for each of x"),
    "labels": ({"condition": DIGITS, "labels": DIGITS}, "nothing to learn from labels"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_before_training(name, x):
    given, message = WRONG[name]
    vae = conditional()
    with pytest.raises((ValueError, TypeError), match=message):
        vae.fit(x, verbose=0, **given)
    assert not vae.optimizer.built


def test_a_model_without_a_condition_takes_none(x):
    vae = make_vae()
    with pytest.raises(ValueError, match="The model takes no condition"):
        vae.fit(x, condition=DIGITS, verbose=0)
    vae.fit(x, verbose=0)
    for call in (vae.encode, vae.reconstruct, vae.score):
        with pytest.raises(ValueError, match="The model takes no condition"):
            call(x, condition=DIGITS)
    with pytest.raises(ValueError, match="a prior of what a condition gives"):
        make_vae(prior="conditional_normal")


def test_names_are_learned_and_unseen_ones_refused(x, tmp_path):
    vae = conditional()
    vae.fit(x, condition=np.array(["x", "y", "z"])[DIGITS], verbose=0)
    vae.save(tmp_path / "vae.keras")
    for model in (vae, kv.load_model(tmp_path / "vae.keras")):
        np.testing.assert_array_equal(
            model.encode(x, condition="y"), model.encode(x, condition=["y"] * 256)
        )
        with pytest.raises(ValueError, match="condition has 'w', but the condition knows 'x', 'y'"):
            model.sample(3, condition="w")


def test_what_is_standardized_remembers_how(x, tmp_path):
    vae = conditional(condition=kv.conditions.Continuous(1))
    large = 1e4 + 100 * ANGLES
    vae.fit(x, condition=large, verbose=0)
    mean, std = to_numpy(vae.condition.mean)[0], to_numpy(vae.condition.std)[0]
    np.testing.assert_allclose([mean, std], [large.mean(), large.std()], rtol=1e-4)
    vae.fit(x[:9], condition=large[:9], verbose=0)
    vae.save(tmp_path / "vae.keras")
    copy = kv.load_model(tmp_path / "vae.keras")
    copy.fit(x[:9], condition=large[:9], verbose=0)
    np.testing.assert_allclose(to_numpy(copy.condition.mean)[0], mean)


def test_one_model_answers_with_and_without(x):
    vae = conditional(condition=kv.conditions.OneHot(3, unknown=0.5))
    vae.fit(x, condition=np.where(np.arange(256) < 20, -1, DIGITS), epochs=2, verbose=0)
    without = vae.reconstruct(x)
    np.testing.assert_array_equal(without, vae.reconstruct(x, condition=-1))
    np.testing.assert_array_equal(without, vae.reconstruct(x, condition=np.full(256, np.nan)))
    np.testing.assert_array_equal(without, vae.reconstruct(x, condition=[None] * 256))
    assert np.abs(without - vae.reconstruct(x, condition=DIGITS)).max() > 1e-4
    assert np.abs(to_numpy(vae.condition.unknown_vector)).max() > 0  # it was learned
    # Known conditions are never taken for unknown outside of training.
    np.testing.assert_array_equal(
        vae.reconstruct(x, condition=DIGITS), vae.reconstruct(x, condition=DIGITS)
    )


class TwoInputs(keras.layers.Layer):
    """A network whose call takes the condition's vector."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.hidden, self.last = keras.layers.Dense(8, "relu"), keras.layers.Dense(units)

    def call(self, inputs, condition):
        return self.last(ops.concatenate([self.hidden(inputs), condition], axis=-1))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def functional(n_in, n_out, names):
    inputs = [keras.Input((n,), name=name) for n, name in zip((n_in, 3), names, strict=True)]
    hidden = keras.layers.Concatenate()(inputs)
    return keras.Model(inputs, keras.layers.Dense(n_out)(hidden))


@pytest.mark.parametrize("kind", ["layer", "functional"])
def test_networks_of_two_inputs_get_both(kind, x):
    keras.saving.register_keras_serializable("tests", "TwoInputs")(TwoInputs)
    if kind == "layer":
        network, decoder = TwoInputs(8), TwoInputs(N_FEATURES)
    else:
        network = functional(N_FEATURES, 8, ("x", "condition"))
        decoder = functional(LATENT_DIM, N_FEATURES, ("z", "c"))
    vae = conditional(encoder=kv.VariationalEncoder(LATENT_DIM, network), decoder=decoder)
    losses = vae.fit(x, condition=DIGITS, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert vae.encoder.head.z_mean_head.kernel.shape[0] == 8  # nothing is joined once more
    assert np.abs(vae.sample(4, 1, condition=0) - vae.sample(4, 1, condition=1)).max() > 1e-4


def test_a_decoder_built_for_the_code_alone_is_refused_with_the_size():
    decoder = keras.Sequential([keras.Input((LATENT_DIM,)), keras.layers.Dense(N_FEATURES)])
    with pytest.raises(ValueError, match=r"the condition joins 3 numbers .* takes codes of 3 dim"):
        conditional(decoder=decoder)


def counts(depth_spread=0.8):
    rng = np.random.default_rng(2)
    shares = rng.dirichlet(np.ones(N_FEATURES), size=3)[DIGITS]
    size = rng.lognormal(5.0, depth_spread, size=256)
    return rng.poisson(shares * size[:, None]).astype("float32")


@pytest.mark.parametrize("likelihood", ["poisson", "negative_binomial"])
def test_means_of_counts_sum_to_the_size(likelihood):
    x = counts()
    x = x[x.sum(axis=1) > 0]
    size = x.sum(axis=1)
    n_params = kv.likelihoods.get(likelihood).params_per_feature
    decoder = kv.networks.DenseDecoder(N_FEATURES * n_params, (8,))
    vae = conditional(decoder=decoder, likelihood=likelihood, condition=kv.conditions.SizeFactor())
    vae.fit(x, condition=size, epochs=2, verbose=0)
    np.testing.assert_allclose(vae.reconstruct(x, condition=size).sum(axis=1), size, rtol=1e-4)
    # Ten times as many of the same is the same code, decoded ten times as large.
    few = x[:5]
    np.testing.assert_allclose(
        vae.encode(10 * few, condition=10 * size[:5]), vae.encode(few, condition=size[:5]),
        rtol=1e-3, atol=1e-4,
    )  # fmt: skip
    with pytest.raises(ValueError, match="must be positive"):
        vae.score(x, condition=0 * size)
    with pytest.raises(ValueError, match="a Bernoulli takes none"):
        conditional(condition=kv.conditions.Exposure())


def test_an_exposure_multiplies_the_mean():
    x = counts(0.1)
    vae = conditional(likelihood="poisson", condition=kv.conditions.Exposure())
    hours = np.linspace(1.0, 2.0, 256)
    vae.fit(x, condition=hours, verbose=0)
    z = np.zeros((4, LATENT_DIM), "float32")
    np.testing.assert_allclose(
        vae.decode(z, condition=3.0), 3.0 * vae.decode(z, condition=1.0), rtol=1e-5
    )
    log_p = vae.likelihood.log_prob(
        x[:4],
        vae.params_given(ops.convert_to_tensor(z), given=vae.condition.given(np.full(4, 2.0))),
    )
    expected = stats.poisson.logpmf(x[:4], 2.0 * vae.decode(z, condition=1.0)).sum(axis=1)
    np.testing.assert_allclose(to_numpy(log_p), expected, rtol=1e-4)
