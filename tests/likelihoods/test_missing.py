"""Masks and NaN: what was not observed costs nothing and teaches nothing."""

import warnings

import keras
import numpy as np
import pytest
from helpers import assert_close, gradient, to_numpy
from test_likelihoods import CASES, REALS, UNIT, built

import keras_vae as kv
from keras_vae import distributions
from keras_vae.likelihoods import FromFunction, Gaussian, Masked, Poisson

MASK = np.random.default_rng(2).random((5, 4, 3)) < 0.5


def with_holes(target):
    return np.where(MASK, target, np.nan).astype("float32")


def used_params(likelihood):
    """True where a param belongs to an observed feature."""
    return np.concatenate([MASK] * likelihood.params_per_feature, axis=-1)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_masked_feature_costs_nothing_and_gets_no_gradient(case):
    likelihood, target, params, elementwise, _ = case
    expected = (elementwise * MASK).sum(axis=(1, 2))
    log_prob = likelihood.log_prob(with_holes(target), params, mask=MASK)
    assert_close(to_numpy(log_prob), expected, rtol=1e-4)
    masked = Masked(likelihood)
    log_prob = masked.log_prob(with_holes(target), params)
    assert_close(to_numpy(log_prob), expected, rtol=1e-4)
    result = gradient(lambda p: masked.log_prob(with_holes(target), p), params)
    used = used_params(likelihood)
    if "Categorical" in type(likelihood).__name__:
        # The logits of one variable depend on one another.
        used = np.broadcast_to(MASK.any(axis=-1, keepdims=True), MASK.shape)
    assert np.isfinite(result).all()
    assert (result[~used] == 0.0).all()
    assert np.mean(result[used] != 0.0) > 0.1  # Those of one-hot zeros are 0 by themselves.


def test_masked_combines_nan_with_a_mask():
    other = np.random.default_rng(3).random(MASK.shape) < 0.5
    likelihood, target, params, elementwise, _ = CASES["gaussian sigma"]
    log_prob = Masked(likelihood).log_prob(with_holes(target), params, mask=other)
    expected = (elementwise * (MASK & other)).sum(axis=(1, 2))
    assert_close(to_numpy(log_prob), expected, rtol=1e-5)


def test_masked_without_holes_is_the_likelihood_itself():
    likelihood, target, params, _, _ = CASES["gaussian decoder"]
    masked = Masked(likelihood)
    assert masked.takes_missing and not likelihood.takes_missing
    assert masked.params_per_feature == 2
    for method in ("mean", "sample"):
        seed = {"seed": 1} if method == "sample" else {}
        np.testing.assert_array_equal(
            to_numpy(getattr(masked, method)(params, **seed)),
            to_numpy(getattr(likelihood, method)(params, **seed)),
        )
    log_prob = to_numpy(likelihood.log_prob(target, params))
    assert_close(to_numpy(masked.log_prob(target, params)), log_prob, rtol=1e-6)


def test_masked_builds_trains_and_updates_what_it_wraps():
    masked = built(Masked(Gaussian("per_feature")))
    assert [w.shape for w in masked.trainable_variables] == [(4, 3)]
    masked = built(Masked(Gaussian("optimal")))
    other = np.random.default_rng(3).random(MASK.shape) < 0.5
    masked.update(with_holes(REALS), UNIT)
    expected = ((REALS - UNIT) ** 2)[MASK].mean()
    np.testing.assert_allclose(to_numpy(masked.likelihood.variance), expected, rtol=1e-5)
    masked.update(with_holes(REALS), UNIT, mask=other)
    expected = ((REALS - UNIT) ** 2)[MASK & other].mean()
    np.testing.assert_allclose(to_numpy(masked.likelihood.variance), expected, rtol=1e-5)


def test_masked_config_round_trip():
    masked = built(Masked(Gaussian("learned")))
    masked.likelihood.log_sigma.assign(0.7)
    copy = built(kv.likelihoods.get(keras.saving.serialize_keras_object(masked)))
    assert type(copy) is Masked and copy.likelihood.sigma == "learned"
    copy.set_weights(masked.get_weights())
    np.testing.assert_array_equal(
        to_numpy(copy.log_prob(with_holes(REALS), UNIT)),
        to_numpy(masked.log_prob(with_holes(REALS), UNIT)),
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_target_with_holes_passes_quietly(case):
    likelihood, target, _, _, _ = case
    holes = with_holes(target)
    holes[0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Masked(likelihood).check_target(holes)
        Masked(likelihood).check_target(np.full_like(holes, np.nan))


@pytest.mark.parametrize(
    ("name", "bad", "match"),
    [
        ("bernoulli", 255.0, r"values in \[0, 1\].*to 255"),
        ("continuous_bernoulli", -1.0, r"values in \[0, 1\]"),
        ("discretized_logistic", 2.0, r"values in \[0, 1\]"),
        ("categorical", 0.3, "one-hot"),
        ("poisson", 0.5, "needs counts.*the value 0.5"),
        ("negative_binomial", -1.0, "needs counts.*negative"),
        ("gaussian", np.inf, "infinite values; NaN marks"),
        ("bernoulli", -np.inf, "infinite values; NaN marks"),
    ],
)
def test_the_observed_values_are_still_checked(name, bad, match):
    target = np.array([[np.nan, np.nan], [1.0, 0.0], [bad, 0.0]], "float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=match):
            Masked(name).check_target(target)


def test_params_are_still_checked():
    with pytest.raises(ValueError, match="expects logits"):
        Masked("bernoulli").check_params(np.array([[0.0, 1.0]]))


def test_masked_refuses_a_function_and_what_is_no_likelihood():
    with pytest.raises(ValueError, match=r"log-probability of each feature.*FromFunction"):
        Masked(lambda target, params: target)
    with pytest.raises(ValueError, match="one value per sample"):
        Masked(FromFunction(lambda target, params: target))
    with pytest.raises(ValueError, match="Unknown likelihood 'gausian'"):
        Masked("gausian")
    assert type(Masked("poisson").likelihood) is Poisson


def test_the_padding_of_sequences_counts_for_nothing():
    """NaN after the end of a sequence, skipped by the encoder and by the loss."""
    lengths, n_steps, n_features = (3, 7, 5, 7), 7, 2
    sequences = [np.random.default_rng(n).normal(size=(n, n_features)) for n in lengths]
    sequences = [sequence.astype("float32") for sequence in sequences]
    x = np.full((len(lengths), n_steps, n_features), np.nan, "float32")
    for row, sequence in zip(x, sequences, strict=True):
        row[: len(sequence)] = sequence

    network = keras.Sequential([keras.layers.Masking(0.0), keras.layers.GRU(4)])
    decoder = keras.Sequential(
        [
            keras.layers.RepeatVector(n_steps),
            keras.layers.GRU(4, return_sequences=True),
            keras.layers.Dense(n_features),
        ]
    )
    vae = kv.VAE(kv.VariationalEncoder(2, network), decoder, likelihood=Masked("gaussian"))
    vae.compile("adam")
    vae.fit(x, verbose=0)
    codes, decoded, scores = vae.encode(x), vae.reconstruct(x), vae.score(x)
    for i, sequence in enumerate(sequences):
        # The sequence alone, without padding.
        code = vae.encoder.head(network(sequence[None]))["z_mean"]
        np.testing.assert_allclose(codes[i], to_numpy(code)[0], rtol=1e-6, atol=1e-7)
        n = len(sequence)
        log_px = Gaussian().log_prob(sequence[None], decoded[i : i + 1, :n])
        kl = distributions.kl_divergence(vae.posterior(x[i : i + 1]), vae.prior.distribution())
        np.testing.assert_allclose(scores[i], to_numpy(log_px - kl)[0], rtol=1e-5, atol=1e-5)
    # Padded to twice the length, each code is the same to the last digit.
    longer = np.concatenate([x, np.full_like(x, np.nan)], axis=1)
    mean = vae.posterior_mean(longer)
    np.testing.assert_array_equal(to_numpy(mean), to_numpy(vae.posterior_mean(x)))
