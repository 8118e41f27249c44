"""The seeds of `log_likelihood`; its values are tested in test_evaluation.py."""

import keras
import pytest

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
