"""Trimmed: the worst rows of a batch teach nothing."""

import keras
import numpy as np
import pytest
from helpers import make_vae, to_numpy
from keras import ops

import keras_vae as kv
from keras_vae.objectives import ELBO, IWAE, MMD, FreeBits, Objective, Trimmed
from keras_vae.objectives.trimmed import kept_rows

LOSS = np.array([3.0, -1.0, 9.0, 4.0, 0.5, 8.0, 2.0, 1.0, 7.0, 5.0], "float32")


@keras.saving.register_keras_serializable(package="tests")
class FirstFeature(Objective):
    """The loss of a row is its first feature, so that it is known."""

    def terms(self, forward):
        loss = forward.x[:, 0] + 0.0 * ops.sum(forward.params, axis=-1)
        return {"loss": loss, "reconstruction_loss": loss, "kl_loss": 0.0 * loss}


def known(rows):
    return np.tile(rows[:, None], (1, 12)).astype("float32")


def trained(objective, x, **kwargs):
    """The weights after some steps on 20 rows each."""
    keras.utils.set_random_seed(3)
    vae = make_vae(objective=objective, likelihood="gaussian")
    history = vae.fit(x, batch_size=20, epochs=2, shuffle=False, verbose=0, **kwargs)
    return [to_numpy(w) for w in vae.trainable_weights], history.history


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.3, 0.99])
def test_the_rows_of_the_largest_losses_are_left_out(share):
    weight = np.full(10, 0.1, "float32")
    kept = to_numpy(kept_rows(ops.array(LOSS), ops.array(weight), share))
    n = int(share * 10 + 1e-6)
    expected = np.argsort(LOSS)[: 10 - n]
    np.testing.assert_array_equal(np.flatnonzero(kept), np.sort(expected))


def test_shares_are_of_the_sample_weight():
    weight = np.array([0.1, 0.1, 0.1, 0.1, 0.0, 0.3, 0.1, 0.1, 0.05, 0.05], "float32")
    kept = to_numpy(kept_rows(ops.array(LOSS), ops.array(weight), 0.4))
    assert set(np.flatnonzero(~kept)) == {2, 5}  # .1 and .3 of the weight
    # A row of weight zero is none of the worst, whatever its loss.
    loss = np.where(weight > 0.0, LOSS, 1e6).astype("float32")
    again = to_numpy(kept_rows(ops.array(loss), ops.array(weight), 0.4))
    np.testing.assert_array_equal(again[weight > 0.0], kept[weight > 0.0])


def test_the_loss_is_the_mean_of_the_rows_kept():
    vae = make_vae(objective=Trimmed(FirstFeature(), share=0.3), likelihood="gaussian")
    vae.build((None, 12))
    logs = vae.evaluate(known(LOSS), batch_size=10, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(np.sort(LOSS)[:7].mean(), rel=1e-5)
    assert logs["reconstruction_loss"] == pytest.approx(LOSS.mean(), rel=1e-5)
    assert logs["trimmed_share"] == pytest.approx(0.3, rel=1e-4)
    weight = np.linspace(0.5, 1.5, 10).astype("float32")
    logs = vae.evaluate(
        known(LOSS), batch_size=10, verbose=0, return_dict=True, sample_weight=weight
    )
    order, total = np.argsort(-LOSS), weight.sum()
    left = np.cumsum(weight[order]) > 0.3 * total
    expected = np.average(LOSS[order][left], weights=weight[order][left])
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "bound", [ELBO(2.0), IWAE(3), FreeBits(), ELBO() + MMD(3.0)], ids=lambda b: type(b).__name__
)
def test_the_worst_rows_teach_nothing(bound, x):
    few = x[:40].copy()
    odd = np.arange(40) % 10 == 0  # two in each batch of 20
    far, farther = few.copy(), few.copy()
    far[odd], farther[odd] = 30.0, -50.0
    found, history = trained(Trimmed(bound, share=0.1), far)
    again, _ = trained(Trimmed(bound, share=0.1), farther)
    for a, b in zip(found, again, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert history["trimmed_share"] == pytest.approx([0.1, 0.1], rel=1e-4)
    assert max(history["loss"]) < 100 < min(history["reconstruction_loss"])
    # As if they had the weight zero.
    expected, _ = trained(bound, far, sample_weight=1.0 - odd)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_without_a_share_it_is_the_bound(x):
    found, history = trained(Trimmed(ELBO(beta=0.5), share=0.0), x[:40])
    expected, expected_history = trained(ELBO(beta=0.5), x[:40])
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert history["loss"] == pytest.approx(expected_history["loss"], rel=1e-5)


def test_share_and_the_bounds_weights_may_change(x):
    vae = make_vae(objective=Trimmed("elbo", share=0.1) + MMD(2.0))
    vae.fit(x, batch_size=20, verbose=0)
    vae.objective.share, vae.objective.bound.beta = 0.5, 0.25
    logs = vae.fit(x[:40], batch_size=20, verbose=0).history
    assert logs["trimmed_share"] == pytest.approx([0.5], rel=1e-4)
    assert "mmd" in logs
    config = vae.objective.get_config()
    assert config["share"] == 0.5
    assert Trimmed.from_config(config).bound.beta == 0.25


def test_share_may_follow_a_schedule(x):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.0, 0.5])
    vae = make_vae(objective=Trimmed("iwae", share=schedule))
    logs = vae.fit(x[:40], batch_size=20, epochs=3, verbose=0).history
    assert logs["trimmed_share"][0] == pytest.approx(0.0, abs=1e-6)
    assert logs["trimmed_share"][-1] == pytest.approx(0.5, rel=1e-4)
    assert {"share", "effective_sample_size"} <= logs.keys()


def test_what_makes_no_sense_is_refused():
    for share in (1.0, -0.1, 2.0):
        with pytest.raises(ValueError, match="share must"):
            Trimmed("elbo", share=share)
    with pytest.raises(ValueError, match="one loss per row"):
        Trimmed(kv.objectives.SemiSupervised(n_classes=3))
    with pytest.raises(ValueError, match="one loss per row"):
        Trimmed(Trimmed("elbo"))
    with pytest.raises(ValueError, match="follows from all rows"):
        make_vae(objective=Trimmed("elbo"), likelihood=kv.likelihoods.Gaussian("optimal"))
    with pytest.raises(ValueError, match="Unknown objective"):
        Trimmed("elbow")


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="one backend shows what it is for")
def test_scattered_anomalies_in_training_cost_less_than_half():
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(2, 8))

    def usual(n):
        x = rng.normal(size=(n, 2)) @ directions + 0.3 * rng.normal(size=(n, 8))
        return x.astype("float32")

    def odd(n):
        return (0.7 * rng.normal(size=(n, 8))).astype("float32")

    test, clean = np.concatenate([usual(500), odd(500)]), usual(720)
    mixed = np.concatenate([clean, odd(80)])

    def found(x, objective):
        keras.utils.set_random_seed(0)
        vae = kv.VAE(
            kv.VariationalEncoder(4, kv.networks.DenseEncoder((64,))),
            kv.networks.DenseDecoder((8,), (64,)),
            kv.likelihoods.Gaussian("learned"),
            objective=objective,
        )
        vae.compile(keras.optimizers.Adam(5e-3))
        vae.fit(x, epochs=40, batch_size=80, verbose=0)
        score = vae.score(test)
        return np.mean(score[:500, None] > score[None, 500:])  # the area under the ROC curve

    best, plain = found(clean, "elbo"), found(mixed, "elbo")
    trimmed = found(mixed, Trimmed("elbo", share=0.1))
    assert best - plain > 0.01
    assert best - trimmed <= 0.5 * (best - plain)
