"""Objective × posterior × prior × likelihood, where that makes sense, from the registries.

A part that joins its folder's `NAMES` is tested here without a new line. The torch backend, which
compiles nothing, trains, saves and loads a selection in which each two parts meet that can.
TensorFlow, without compiling, makes a step of a selection in which many parts meet; TensorFlow and
JAX compile one in which each part occurs.
"""

import itertools

import keras
import numpy as np
import pytest
from contracts.common import suited
from helpers import to_numpy

import keras_vae as kv

TORCH = keras.backend.backend() == "torch"
TENSORFLOW = keras.backend.backend() == "tensorflow"
LATENT_DIM = 2
# Those of a condition have tests of their own: tests/conditions/.
PRIORS = {
    name: cls
    for name, cls in kv.priors.NAMES.items()
    if not issubclass(cls, kv.priors.ConditionalPrior)
}
# One-hot pairs, rarely the second: in the support of most likelihood, with much to learn.
X = np.eye(2, dtype="float32")[(np.random.default_rng(0).random((256, 3)) < 0.1).astype(int)]
# Gentle weights, so that a few steps show a decrease.
OPTIONS = {
    "capacity": {"capacity": 1.0, "gamma": 1.0},
    "factor_vae": {"gamma": 0.5, "network": None},
    "info_vae": {"alpha": 0.5, "strength": 2.0},
    "wae": {"strength": 2.0},
    "vamp": {"n_components": 4},
    "real_nvp": {"n_layers": 2, "units": (8,)},
    "gaussian_mixture": {"n_components": 3},
    "two_stage": {"units": (8,)},
    "inverse_autoregressive_flow": {"units": (8,)},
}


def make(names, registry):
    return registry[names](**OPTIONS.get(names, {}))


def makes_sense(objective, posterior, prior) -> bool:
    """The rules, in terms of what the parts say of themselves."""
    distribution = kv.posteriors.NAMES[posterior].distribution_class
    support = make(prior, PRIORS).support
    if support not in (None, distribution.support):
        return False  # the KL is infinite
    if kv.objectives.NAMES[objective].needs_kl != distribution.has_density:
        return False  # there is no KL
    if prior == "vamp" and not distribution.knows_any_z:
        return False
    if objective == "beta_tc_vae":
        return "marginal_log_prob" in distribution.closed_forms
    if objective == "dip_vae":
        return "covariance" in distribution.closed_forms
    return not (objective == "factor_vae" and distribution.support == "sphere")


TRIPLES = list(itertools.product(kv.objectives.NAMES, kv.posteriors.NAMES, PRIORS))
SENSIBLE = [triple for triple in TRIPLES if makes_sense(*triple)]
COMBINATIONS = [(*t, likelihood) for t in SENSIBLE for likelihood in kv.likelihoods.NAMES]


def groups(combination, size=2):
    return set(itertools.combinations(enumerate(combination), size))


def cover(size: int) -> list[tuple]:
    """Chooses combinations until each `size` parts have met that can."""
    chosen: list = []
    missing = set().union(*(groups(c, size) for c in COMBINATIONS))
    while missing:
        best = max(COMBINATIONS, key=lambda c: len(groups(c, size) & missing))
        chosen.append(best)
        missing -= groups(best, size)
    return chosen


def make_vae(objective, posterior, prior, likelihood="bernoulli", **compile_kwargs):
    likelihood = make(likelihood, kv.likelihoods.NAMES)
    encoder = kv.VariationalEncoder(
        LATENT_DIM, kv.networks.DenseEncoder((4,)), make(posterior, kv.posteriors.NAMES)
    )
    decoder = kv.networks.DenseDecoder((3, 2 * likelihood.params_per_feature), (4,))
    vae = kv.VAE(
        encoder,
        decoder,
        likelihood,
        make(prior, kv.priors.NAMES),
        objective=make(objective, kv.objectives.NAMES),
    )
    vae.compile(keras.optimizers.Adam(1e-2), **compile_kwargs)
    return vae


@pytest.mark.parametrize("triple", TRIPLES if TORCH else [], ids="-".join)
def test_a_combination_that_makes_no_sense_is_refused_with_the_reason(triple):
    if triple in SENSIBLE:
        make_vae(*triple)
        return
    reason = r"so that the KL is infinite|which a \w+ does not|RAE has no KL|the sphere"
    with pytest.raises(ValueError, match=reason):
        make_vae(*triple)


def check(combination, tmp_path):
    """Trains, saves, loads and compares."""
    vae = make_vae(*combination)
    x = suited(vae.likelihood, X)
    losses = vae.fit(x, batch_size=256, epochs=8, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    # The median, as one step's draw from a prior that is still wide may lie far out.
    assert np.median(losses[-3:]) < np.mean(losses[:2]), losses
    vae.save(tmp_path / "vae.keras")
    copy = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_allclose(copy.reconstruct(x), vae.reconstruct(x), rtol=1e-4, atol=1e-5)
    draws = to_numpy(vae.prior.sample(3, seed=0))
    np.testing.assert_allclose(to_numpy(copy.prior.sample(3, seed=0)), draws, rtol=1e-4, atol=1e-5)
    assert np.isfinite(vae.decode(draws)).all()


@pytest.mark.parametrize("combination", cover(2) if TORCH else [], ids="-".join)
def test_every_combination_trains_saves_and_loads(combination, tmp_path):
    check(combination, tmp_path)


@pytest.mark.parametrize("combination", cover(2)[:30] if TENSORFLOW else [], ids="-".join)
def test_many_pairs_of_parts_make_a_step(combination):
    vae = make_vae(*combination, run_eagerly=True)
    x = suited(vae.likelihood, X)
    assert np.isfinite(vae.fit(x, batch_size=256, verbose=0).history["loss"]).all()


@pytest.mark.in_turn
@pytest.mark.parametrize("combination", [] if TORCH else cover(1), ids="-".join)
def test_each_part_is_compiled(combination, tmp_path):
    check(combination, tmp_path)
