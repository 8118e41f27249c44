"""The seeds of `log_likelihood`; its values are tested in test_evaluation.py."""

import keras
import numpy as np
import pytest

import keras_vae as kv
from keras_vae.evaluation.likelihood import seed_words


def test_small_numbers_keep_the_seeds_that_they_had():
    assert seed_words(3, 0) == [3, 0]
    assert seed_words(3, 2**31 - 1) == [3, 2**31 - 1]


@pytest.mark.parametrize("seed", [0, 5, 2**31 - 2])
def test_seeds_of_any_number_of_rows(seed):
    """1e9 rows with 125 chunks of draws each are beyond what the state of a generator holds."""
    numbers = [0, 1, 2**31 - 1, 2**31, 2**32, 2**32 + 1, 125 * 10**9]
    state, found = keras.random.SeedGenerator(0).state, set()
    for number in numbers:
        words = seed_words(seed, number)
        state.assign(keras.ops.convert_to_tensor(words, dtype=state.dtype))
        assert keras.ops.convert_to_numpy(state).tolist() == words
        found.add(tuple(words))
    assert len(found) == len(numbers)


def test_draws_beside_many_components_fit_the_memory(monkeypatch):
    monkeypatch.setattr("keras_vae.evaluation.importance.MAX_PARAMS", 2**15)
    sizes, log_prob = [], kv.distributions.Mixture._log_prob

    def noted(self, z):
        sizes.append(np.prod(z.shape) * len(self.logits))
        return log_prob(self, z)

    monkeypatch.setattr(kv.distributions.Mixture, "_log_prob", noted)
    encoder = kv.VariationalEncoder(4, kv.networks.DenseEncoder((8,)))
    prior = kv.priors.GaussianMixture(1000)
    vae = kv.VAE(encoder, kv.networks.DenseDecoder(3, (8,)), prior=prior)
    vae.build((None, 3))
    found = vae.log_likelihood(np.zeros((2, 3), "float32"), 10, seed=0, batch_size=2)
    assert np.isfinite(found.log_likelihood).all()
    assert 0 < max(sizes) <= 2**15
