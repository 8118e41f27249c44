"""The target of score and log_likelihood where it is not x, as in denoising."""

import warnings

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, make_vae, to_numpy
from scipy import stats

import keras_vae as kv

SENTENCE = "trained on a target of its own: pass it as y"


@pytest.fixture(scope="module")
def noisy(x):
    return np.where(np.random.default_rng(1).random(x.shape) < 0.3, 1.0 - x, x).astype("float32")


@pytest.fixture(scope="module")
def denoising(x, noisy):
    keras.utils.set_random_seed(0)
    vae = make_vae()
    vae.fit(noisy, x, epochs=30, verbose=0)
    return vae


def test_score_is_that_of_the_target(denoising, x, noisy):
    found = denoising.score(noisy, x)
    params = {k: to_numpy(v) for k, v in denoising.posterior_params(noisy).items()}
    mean, variance = params["z_mean"], np.exp(params["z_log_var"])
    p = denoising.reconstruct(noisy).astype("float64")
    log_px = np.log(np.where(x > 0.5, p, 1.0 - p)).sum(axis=1)
    kl = 0.5 * (variance + mean**2 - 1.0 - np.log(variance)).sum(axis=1)
    np.testing.assert_allclose(found, log_px - kl, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(to_numpy(denoising.score_given(noisy, x)), found, atol=1e-4)
    one = [denoising.score(noisy[i : i + 1], x[i : i + 1])[0] for i in range(5)]
    np.testing.assert_allclose(one, found[:5], atol=1e-4)


def test_score_ranks_as_the_likelihood_of_the_target(denoising, x, noisy):
    odd = x.copy()
    odd[:20] = 1.0 - odd[:20]
    score = denoising.score(noisy, odd)
    log_p = denoising.log_likelihood(noisy, 100, y=odd, seed=0).log_likelihood
    assert stats.spearmanr(score, log_p).statistic > 0.95
    assert score[:20].max() < np.median(score[20:])


def test_where_fit_had_a_target_of_its_own_one_is_asked_for(denoising, x, noisy, tmp_path):
    denoising.save(tmp_path / "vae.keras")
    for vae in (denoising, kv.load_model(tmp_path / "vae.keras")):
        for act in (vae.score, lambda x, vae=vae: vae.log_likelihood(x, 2)):
            with pytest.warns(UserWarning, match=SENTENCE):
                act(noisy[:10])
        with pytest.warns(UserWarning, match=SENTENCE):
            vae.score(noisy[:1])  # the fast path
        with pytest.warns(UserWarning, match=SENTENCE):
            vae.score(iter([noisy[:10]]))
        with pytest.warns(UserWarning, match=SENTENCE):
            vae.evaluate(noisy[:10], verbose=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            vae.score(noisy, x)
            vae.score(iter([(noisy, x)]))
            vae.log_likelihood(noisy, 2, y=x)
            vae.evaluate(noisy, x, verbose=0)
            vae.encode(noisy)


@pytest.mark.parametrize(
    "fit",
    [
        lambda vae, x: vae.fit(x, verbose=0),
        lambda vae, x: vae.fit(x, x, verbose=0),
        lambda vae, x: vae.fit(x, x.copy(), verbose=0),
        lambda vae, x: vae.fit(x, sample_weight=np.ones(256), validation_data=x, verbose=0),
        lambda vae, x: vae.fit(iter([(x, x)]), verbose=0),
        lambda vae, x: (vae.fit(x, 1.0 - x, verbose=0), vae.fit(x, verbose=0)),
    ],
)
def test_where_the_target_was_x_nothing_is_said(x, fit):
    vae = make_vae()
    fit(vae, x)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        vae.score(x)


def test_a_target_of_another_shape(x):
    vae = make_vae(decoder=kv.networks.DenseDecoder(4, (8,)))
    vae.fit(x, x[:, :4], verbose=0)
    assert vae.score(x, x[:, :4]).shape == (256,)
    for act in (vae.score, vae.log_likelihood, vae.evaluate):
        with pytest.raises(ValueError, match=r"target's samples have shape \(12,\).*y in"):
            act(x)
    with pytest.raises(ValueError, match=r"score takes a target of shape \(n, 4\).*\(256, 12\)"):
        vae.score(x, x)


def test_the_target_is_checked(x):
    vae = make_vae()
    vae.build((None, N_FEATURES))
    vae.score(x[:1])
    for bad in (255.0 * x, 255.0 * x[:1]):
        with pytest.raises(ValueError, match=r"Bernoulli needs values in \[0, 1\]"):
            vae.score(bad)
        with pytest.raises(ValueError, match=r"Bernoulli needs values in \[0, 1\]"):
            vae.score(np.zeros_like(bad), bad)
        with pytest.raises(ValueError, match=r"Bernoulli needs values in \[0, 1\]"):
            vae.log_likelihood(iter([bad]))
