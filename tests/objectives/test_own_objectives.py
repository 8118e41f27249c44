"""Objectives of one's own: their networks, their files, and what they are given."""

import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, make_vae, to_numpy
from keras import layers, ops

import keras_vae as kv
from keras_vae.objectives import ELBO, Forward, LossTerms, Objective

OWN = """
import keras
from keras import layers, ops
import keras_vae as kv

@keras.saving.register_keras_serializable(package="own")
class TwoCritics(kv.objectives.ELBO):
    "Two networks, of which none has the name that version 0.1 knew."

    term_names = ("of_x", "of_z")

    def __init__(self, units=4):
        super().__init__(beta=0.5)
        self.units = units
        self.on_z, self.on_x = layers.Dense(1), keras.Sequential()
        for size in (units, 1):
            self.on_x.add(layers.Dense(size))

    def build(self, x_shape, z_shape):
        self.on_x.build(x_shape)
        self.on_z.build(z_shape)

    def terms(self, forward):
        terms = super().terms(forward)
        of_x = ops.mean(self.on_x(forward.x, training=forward.training) ** 2, axis=-1)
        of_z = ops.mean(self.on_z(forward.z, training=forward.training) ** 2, axis=-1)
        loss = terms["loss"] + (of_x - 1.0) ** 2 + (of_z - 1.0) ** 2
        return terms | {"loss": loss, "of_x": of_x, "of_z": of_z}
"""

GO_ON = """
import sys
sys.path.insert(0, sys.argv[1])
import keras
import numpy as np
import own_objective
import keras_vae as kv

x = np.load(sys.argv[1] + "/x.npy")
vae = kv.load_model(sys.argv[1] + "/vae.keras")
assert type(vae.objective) is own_objective.TwoCritics and vae.objective.units == 3
state = [keras.ops.convert_to_numpy(v) for v in vae.optimizer.variables]
history = vae.fit(x, epochs=2, verbose=0).history
np.savez(sys.argv[1] + "/went_on.npz", *state, **history)
"""


def test_two_networks_train_and_go_on_in_a_fresh_process(x, tmp_path, monkeypatch):
    (tmp_path / "own_objective.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    import own_objective

    vae = make_vae(objective=own_objective.TwoCritics(3) + kv.objectives.TotalCorrelation(2.0))
    vae.build((None, N_FEATURES))
    before = [to_numpy(v) for v in vae.objective.trainable_variables]
    assert len(before) == 6 + 10
    vae.fit(x, epochs=2, verbose=0)
    for old, new in zip(before, vae.objective.trainable_variables, strict=True):
        assert not np.array_equal(old, to_numpy(new)), new.path
    vae.save(tmp_path / "vae.keras")
    np.save(tmp_path / "x.npy", x)
    state = [to_numpy(v) for v in vae.optimizer.variables]
    subprocess.run([sys.executable, "-c", GO_ON, tmp_path], check=True)
    found = np.load(tmp_path / "went_on.npz")
    for i, value in enumerate(state):
        np.testing.assert_array_equal(found[f"arr_{i}"], value)
    history = vae.fit(x, epochs=2, verbose=0).history
    for name, values in history.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


class MadeLate(ELBO):
    """As version 0.1 said it: the network is made where the shapes are known."""

    def build(self, x_shape, z_shape):
        self.network, self.second = layers.Dense(1), layers.Dense(1)
        self.network.build(z_shape)
        self.second.build(z_shape)

    def terms(self, forward):
        terms = super().terms(forward)
        codes = forward.z
        added = sum(ops.mean(n(codes) ** 2, -1) for n in (self.network, self.second))
        return terms | {"loss": terms["loss"] + added}


def test_networks_made_when_built_train_too_and_penalties_are_built_with_them(x):
    vae = make_vae(objective=MadeLate() + kv.objectives.TotalCorrelation())
    vae.fit(x, verbose=0)
    assert vae.auxiliary_network is vae.objective.network
    ids = {id(v) for v in vae.trainable_variables}
    for network in (vae.objective.network, vae.objective.second):
        assert {id(v) for v in network.trainable_variables} < ids
    vae.objective.penalties[0].strength = 0.0


class WithoutInit(Objective):
    """Calls no `super().__init__`, as objectives of version 0.1 did not."""

    strength = kv.objectives.LossWeight()

    def __init__(self, strength=1.0):
        self.strength = strength

    def terms(self, forward):
        kl = forward.kl()
        reconstruction = forward.reconstruction_loss()
        loss = reconstruction + self.strength * kl
        return {"loss": loss, "reconstruction_loss": reconstruction, "kl_loss": kl}


def test_an_objective_with_only_terms(x):
    vae = make_vae(objective=WithoutInit(3.0), noise=0.5)
    found = vae.evaluate(x, verbose=0, return_dict=True)
    expected = found["reconstruction_loss"] + 3.0 * found["kl_loss"]
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)
    same = make_vae(beta=3.0, encoder=vae.encoder, decoder=vae.decoder)
    assert same.evaluate(x, verbose=0, return_dict=True)["loss"] == pytest.approx(found["loss"])
    assert vae.beta is None


@pytest.mark.parametrize("posterior", ["diagonal_normal", "planar_flow", "full_covariance_normal"])
@pytest.mark.parametrize("prior", ["standard_normal", "gaussian_mixture"])
@pytest.mark.parametrize("n_samples", [None, 4])
def test_the_kl_is_always_numbers(x, posterior, prior, n_samples):
    network = kv.networks.DenseEncoder((8,))
    encoder = kv.VariationalEncoder(3, network, posterior=posterior, n_samples=n_samples)
    vae = make_vae(encoder=encoder, prior=prior, objective=WithoutInit())
    found = vae.evaluate(x, verbose=0, return_dict=True)
    # Many draws, by the posterior's own methods.
    q = vae.posterior(x)
    z, log_qz = q.sample_and_log_prob(400, seed=1)
    kl = to_numpy(log_qz - vae.prior.log_prob(z))
    # `evaluate` has few draws of each row; 5 errors of their mean, and of the many.
    error = kl.std() * (1 / (len(x) * (n_samples or 1)) + 1 / kl.size) ** 0.5
    np.testing.assert_allclose(found["kl_loss"], kl.mean(), atol=5 * error)


def test_the_log_probability_of_a_draw_travels_with_it(x):
    seen = []

    class Looks(WithoutInit):
        def terms(self, forward):
            seen.append(forward)
            return super().terms(forward)

    encoder = kv.VariationalEncoder(3, kv.networks.DenseEncoder((8,)), posterior="planar_flow")
    vae = make_vae(encoder=encoder, objective=Looks())
    vae.compute_loss(x[:5], training=False)
    (forward,) = seen
    assert forward.log_qz.shape == (5,)
    z, log_qz = to_numpy(forward.z), to_numpy(forward.log_posterior())
    kl = log_qz - to_numpy(vae.prior.log_prob(ops.array(z)))
    np.testing.assert_allclose(to_numpy(forward.kl()), kl, rtol=1e-4, atol=1e-5)


def test_what_travels_has_a_type():
    with pytest.raises(TypeError):
        Forward(1, 2, 3)
    terms = LossTerms(loss=3.0, reconstruction_loss=2.0, kl_loss=1.0, extras={"mmd": 0.5})
    assert list(terms.by_name()) == ["loss", "reconstruction_loss", "kl_loss", "mmd"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        terms.loss = 1.0
    assert len(keras.tree.flatten(terms)) == 1  # Keras does not look into it


def test_an_objective_is_no_layer_to_be_called():
    with pytest.raises(TypeError, match=r"ELBO is run by compute\(forward\)"):
        ELBO()(np.zeros((2, 3)))
    with pytest.raises(TypeError, match="Objective must define terms"):
        Objective()

    class Lookalike:
        def terms(self, forward):
            return {}

    with pytest.raises(TypeError, match=r"inherits from keras_vae.objectives.Objective"):
        make_vae(objective=Lookalike())
