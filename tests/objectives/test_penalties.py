"""A bound and its penalties: what the sum computes, trains, logs, saves and refuses."""

import copy
import json

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, assert_same_logs, make_vae, set_same_weights, to_numpy
from keras import ops
from keras.optimizers import schedules

import keras_vae as kv
from keras_vae.objectives import (
    DIPVAE,
    ELBO,
    IWAE,
    MMD,
    Capacity,
    Covariance,
    FactorVAE,
    InfoMaxVAE,
    InfoVAE,
    MutualInformation,
    Penalty,
    TotalCorrelation,
)


@keras.saving.register_keras_serializable(package="tests")
class Sparsity(Penalty):
    """The smallest penalty of one's own."""

    term_names = ("sparsity",)

    def terms(self, forward):
        sparsity = ops.sum(ops.abs(forward.posterior.z_mean), axis=-1)
        return {"loss": self.strength * sparsity, "sparsity": sparsity}


def critic():
    return keras.Sequential([keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])


def penalties():
    return [
        TotalCorrelation(4.0, critic()),
        MMD(10.0),
        Covariance("i", 2.0, 3.0),
        MutualInformation(0.5, critic()),
        Sparsity(0.1),
    ]


def total(bound=None):
    bound = ELBO(beta=2.0) if bound is None else bound
    for penalty in penalties():
        bound = bound + penalty
    return bound


TERMS = ("total_correlation", "discriminator_loss", "mmd", "dip_loss", "mutual_information")


# What it computes


def test_each_penalty_is_added_and_logged(x):
    found = make_vae(objective=total()).fit(x, verbose=0).history
    assert {*TERMS, "sparsity"} < set(found)
    expected = (
        found["reconstruction_loss"][0]
        + 2.0 * found["kl_loss"][0]
        + 4.0 * found["total_correlation"][0]
        + 10.0 * found["mmd"][0]
        + found["dip_loss"][0]
        - 0.5 * found["mutual_information"][0]
        + 0.1 * found["sparsity"][0]
    )
    np.testing.assert_allclose(found["loss"][0], expected, rtol=1e-5)
    bound = found["reconstruction_loss"][0] + found["kl_loss"][0]
    np.testing.assert_allclose(found["negative_elbo"][0], bound, rtol=1e-5)


def test_a_penalty_of_ones_own_agrees_with_numpy(x):
    vae = make_vae(noise=0.0, objective=ELBO() + Sparsity(0.5))
    found = vae.evaluate(x, verbose=0, return_dict=True)
    z_mean = to_numpy(vae.posterior_params(x)["z_mean"])
    np.testing.assert_allclose(found["sparsity"], np.abs(z_mean).sum(1).mean(), rtol=1e-4)
    expected = found["negative_elbo"] + 0.5 * found["sparsity"]
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("named", "as_sum"),
    [
        (FactorVAE(6.0, 2.0, critic()), ELBO(2.0) + TotalCorrelation(6.0, critic())),
        (InfoMaxVAE(0.5, 2.0, critic()), ELBO(2.0) + MutualInformation(0.5, critic())),
        (DIPVAE("i", 3.0, 5.0, beta=2.0), ELBO(2.0) + Covariance("i", 3.0, 5.0)),
        (InfoVAE(0.25, 8.0, "imq"), ELBO(0.75) + MMD(7.25, "imq")),
    ],
    ids=["factor_vae", "info_max_vae", "dip_vae", "info_vae"],
)
def test_a_named_objective_trains_as_the_sum_of_its_parts(x, named, as_sum):
    histories = []
    for objective in (named, as_sum):
        keras.utils.set_random_seed(3)
        vae = make_vae(noise=0.5, objective=objective, prior=kv.priors.StandardNormal(seed=5))
        vae.build((None, N_FEATURES))
        for layer in (vae.encoder, vae.decoder, *networks(objective)):
            set_same_weights(layer)
        histories.append(vae.fit(x, shuffle=False, epochs=2, verbose=0).history)
    assert_same_logs(*histories, rtol=1e-5)


def networks(objective):
    penalty = (*objective.own_penalties, *objective.penalties)[0]
    has_one = isinstance(penalty, (TotalCorrelation, MutualInformation))
    return [penalty.network] if has_one else []


@pytest.mark.parametrize("bound", [IWAE(3), Capacity(5.0), FactorVAE(2.0), InfoMaxVAE()])
def test_penalties_go_with_any_bound(x, bound):
    second = bound + MMD(10.0, name="second") + Sparsity(0.1)
    assert type(second) is type(bound)
    found = make_vae(objective=second).fit(x, verbose=0).history
    assert np.isfinite(found["loss"]).all()
    assert {"second_mmd", "sparsity", *bound.own_terms} < set(found)


# What it trains, saves and copies


def test_every_network_is_trained_once(x):
    vae = make_vae(objective=total())
    vae.build((None, N_FEATURES))
    # Encoder and decoder, 6 and 4 tensors, and two critics of 4.
    assert len({id(v) for v in vae.trainable_variables}) == len(vae.trainable_variables) == 18
    before = [to_numpy(v) for v in vae.trainable_variables]
    vae.fit(x, verbose=0)
    for old, new in zip(before, vae.trainable_variables, strict=True):
        assert not np.array_equal(old, to_numpy(new)), new.path


def test_a_sum_is_saved_and_goes_on_exactly(x, tmp_path):
    vae = make_vae(objective=total())
    vae.fit(x, epochs=2, verbose=0)
    vae.objective.penalties[1].strength = 3.0
    vae.save(tmp_path / "vae.keras")
    loaded = kv.load_model(tmp_path / "vae.keras")
    assert loaded.objective.own_terms == vae.objective.own_terms
    assert loaded.objective.penalties[1].strength == 3.0
    for a, b in zip(vae.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(a), to_numpy(b), err_msg=a.path)
    histories = [v.fit(x, epochs=2, verbose=0).history for v in (loaded, vae)]
    del histories[1]["mmd_strength"]  # logged where it was set
    assert_same_logs(*histories, rtol=1e-6)


def test_a_file_of_weights_goes_into_a_sum_of_other_weights_of_the_loss(x, tmp_path):
    vae = make_vae(objective=total())
    vae.fit(x, verbose=0)
    vae.save_weights(tmp_path / "vae.weights.h5")
    other = make_vae(objective=total(ELBO(beta=7.0)))
    other.build((None, N_FEATURES))
    other.load_weights(tmp_path / "vae.weights.h5")
    assert other.beta == 7.0
    for a, b in zip(vae.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(vae.get_weights()) == len(vae.trainable_weights)


def test_configs_of_sums():
    objective = total()
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(objective)))
    for _ in range(2):
        again = kv.objectives.get(config)
        assert type(again) is ELBO and again.beta == 2.0
        assert again.own_terms == objective.own_terms
        assert [p.strength for p in again.penalties if type(p) is not Covariance] == [
            *(4.0, 10.0, 0.5, 0.1)
        ]
    assert "penalties" not in ELBO().get_config()
    named = kv.objectives.get(keras.saving.serialize_keras_object(ELBO() + MMD(name="first")))
    assert named.own_terms == ("first_mmd",)


@pytest.mark.parametrize("built", [False, True])
def test_copies_of_a_sum(x, built):
    vae = make_vae(objective=total())
    if built:
        vae.fit(x, verbose=0)
        vae.objective.penalties[0].strength = 5.0
    copied = copy.deepcopy(vae.objective)
    assert copied.own_terms == vae.objective.own_terms
    assert copied.penalties[0].strength == vae.objective.penalties[0].strength
    networks = [o.penalties[0].network for o in (vae.objective, copied)]
    assert networks[0] is not networks[1]
    if built:
        for a, b in zip(*(network.get_weights() for network in networks), strict=True):
            np.testing.assert_array_equal(a, b)
    found = make_vae(objective=copied).fit(x, verbose=0).history
    assert np.isfinite(found["loss"]).all()
    clone = keras.models.clone_model(vae)
    clone.build((None, N_FEATURES))
    clone.objective.penalties[0].strength = 9.0
    assert vae.objective.penalties[0].strength == (5.0 if built else 4.0)
    if built:
        again = copy.deepcopy(vae)
        np.testing.assert_allclose(again.encode(x), vae.encode(x), rtol=1e-6)
        assert again.objective.penalties[0].strength == 5.0


def test_sums_share_their_parts_and_not_their_lists():
    bound, first, second = ELBO(keras.Variable(2.0)), MMD(1.0), Sparsity(2.0)
    a, b = bound + first, bound + second
    assert (a.penalties, b.penalties, bound.penalties) == ([first], [second], [])
    assert (a + second).penalties == [first, second]
    assert (a + second).beta is bound.beta
    factor = FactorVAE()
    assert (factor + first).network is factor.network


# Weights


def test_weights_of_a_sum_may_change_while_it_trains(x):
    strengths, betas = [1.0, 0.0, 8.0], [1.0, 3.0, 2.0]

    class Set(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.objective.penalties[0].strength = strengths[epoch]
            self.model.objective.beta = betas[epoch]

    objective = ELBO() + Sparsity(1.0) + TotalCorrelation(0.0, critic())
    vae = make_vae(keras.optimizers.SGD(0.0), noise=0.5, objective=objective)
    found = vae.fit(x, epochs=3, verbose=0, callbacks=[Set()]).history
    expected = (
        np.array(found["reconstruction_loss"])
        + np.multiply(betas, found["kl_loss"])
        + np.multiply(strengths, found["sparsity"])
    )
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)
    assert found["sparsity_strength"] == strengths
    assert "total_correlation_strength" not in found


def test_a_strength_set_after_a_batch_acts_from_the_next_one(x):
    """Without a look at the model, whose variables JAX keeps elsewhere."""
    penalty, losses = Sparsity(0.0), []

    class Set(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            losses.append({name: float(value) for name, value in logs.items()})
            if batch == 1:
                penalty.strength = 5.0

    vae = make_vae(keras.optimizers.SGD(0.0), noise=0.5, objective=ELBO() + penalty)
    rows = np.repeat(x[:1], 32, axis=0)  # each batch is the same
    vae.fit(rows, batch_size=8, verbose=0, callbacks=[Set()])
    per_batch = np.diff([0.0, *((i + 1) * f["loss"] for i, f in enumerate(losses))])
    strengths = np.array([0.0, 0.0, 5.0, 5.0])
    expected = losses[0]["negative_elbo"] + strengths * losses[0]["sparsity"]
    np.testing.assert_allclose(per_batch, expected, rtol=1e-4)


def test_a_strength_may_follow_a_schedule_or_a_variable(x, tmp_path):
    variable = keras.Variable(0.5)
    growing = schedules.PolynomialDecay(0.0, 16, 2.0)
    objective = ELBO() + Sparsity(growing) + MMD(variable, name="far")
    assert objective.own_terms == ("sparsity", "sparsity_strength", "far_mmd", "far_strength")
    vae = make_vae(objective=objective)
    with pytest.warns(UserWarning, match="sparsity_strength changes until step 16"):
        found = vae.fit(x, batch_size=64, verbose=0).history
    assert found["far_strength"] == [0.5]
    np.testing.assert_allclose(found["sparsity_strength"], [2.0 * 1.5 / 16], rtol=1e-5)
    assert not any(v is variable for v in vae.trainable_variables)
    vae.save(tmp_path / "vae.keras")
    loaded = kv.load_model(tmp_path / "vae.keras")
    assert loaded.objective.penalties[1].strength == 0.5
    assert float(loaded.objective.penalties[0].strength(8)) == pytest.approx(1.0)


def test_the_weight_of_a_named_objective_is_set_there():
    vae = make_vae(objective=FactorVAE(gamma=3.0))
    (penalty,) = vae.objective.own_penalties
    vae.objective.gamma = 4.0
    assert penalty.strength == 4.0
    with pytest.raises(ValueError, match=r"strength of this TotalCorrelation follows from"):
        penalty.strength = 5.0


# What is refused


class Undeclared(Penalty):
    term_names = ("first",)

    def terms(self, forward):
        return {"loss": 0.0, "first": 0.0, "second": 0.0}


def test_an_undeclared_term_of_a_penalty_is_named(x):
    vae = make_vae(objective=ELBO() + Undeclared())
    with pytest.raises(ValueError, match=r"Undeclared.terms must return loss .*has second besides"):
        vae.fit(x, verbose=0)


def test_two_terms_of_one_name_are_refused_where_they_are_added():
    with pytest.raises(ValueError, match=r"MMD logs mmd, .*another term.*name=\"second\""):
        ELBO() + MMD() + MMD()
    with pytest.raises(ValueError, match="TotalCorrelation logs total_correlation"):
        FactorVAE() + TotalCorrelation()
    assert (ELBO() + MMD() + MMD(name="second")).own_terms == ("mmd", "second_mmd")

    class Taken(Sparsity):
        term_names = ("kl_loss",)

    with pytest.raises(ValueError, match="Taken logs kl_loss"):
        ELBO() + Taken()

    class Twice(ELBO):
        term_names = ("loss",)

    with pytest.raises(ValueError, match="Twice logs loss"):
        make_vae(objective=Twice())


def test_what_is_no_penalty_cannot_be_added():
    for other in (2.0, "mmd", ELBO()):
        with pytest.raises(TypeError, match=r"To a ELBO a penalty is added.*received"):
            ELBO() + other
    with pytest.raises(TypeError, match=r"MMD is a penalty.*ELBO\(\) \+ MMD"):
        make_vae(objective=MMD())
    with pytest.raises(TypeError, match="Nameless must define terms"):
        type("Nameless", (Penalty,), {})()


def test_a_penalty_refuses_a_posterior_that_it_makes_no_sense_with():
    encoder = kv.VariationalEncoder(3, posterior="von_mises_fisher")
    with pytest.raises(ValueError, match="TotalCorrelation permutes"):
        make_vae(encoder=encoder, prior="uniform_on_sphere", objective=ELBO() + TotalCorrelation())
    encoder = kv.VariationalEncoder(3, posterior="planar_flow")
    with pytest.raises(ValueError, match="Covariance needs the covariance"):
        make_vae(encoder=encoder, objective=ELBO() + Covariance())
    with pytest.raises(ValueError, match="strength must be finite and not negative"):
        MMD(-1.0)
    with pytest.raises(TypeError, match="network must be a Keras layer"):
        TotalCorrelation(network=256)


@pytest.mark.parametrize("objective", [ELBO() + MMD(), FactorVAE(), InfoMaxVAE(), DIPVAE()])
def test_a_penalty_on_vectors_refuses_a_grid_of_codes(objective):
    encoder = kv.VariationalEncoder(latent_shape=(2, 2, 3))
    decoder = kv.networks.ConvDecoder((8, 8, 1), (6, 4))
    penalty = objective.parts()[1]
    with pytest.raises(ValueError, match=f"{type(penalty).__name__} is computed from codes that"):
        kv.VAE(encoder, decoder, objective=objective)
