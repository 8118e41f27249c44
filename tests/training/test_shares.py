"""Which rows of a batch a process reads, and what noise a replica draws."""

import keras
import numpy as np
import pytest
from helpers import make_vae, to_numpy

from keras_vae import backend
from keras_vae.backend import seeds_of_replicas
from keras_vae.training.shares import Share


def share_out(monkeypatch, multiple):
    """Lets `fit` fill batches as where devices share them."""
    monkeypatch.setattr(backend, "is_distributed", lambda model: True)
    monkeypatch.setattr(backend, "shares", lambda model: (0, 1, multiple))


@pytest.mark.parametrize(("n", "count", "multiple"), [(8, 2, 2), (7, 2, 2), (1, 3, 3), (5, 2, 4)])
def test_shares_make_up_the_batch(n, count, multiple):
    rows = np.arange(10, 10 + n)
    shares = [Share(i, count, multiple).rows(rows, 8) for i in range(count)]
    assert len({len(found) for found, _ in shares}) == 1
    found, is_filler = (np.concatenate(parts) for parts in zip(*shares, strict=True))
    np.testing.assert_array_equal(found[~is_filler], rows)
    assert len(found) % multiple == 0
    if backend.COMPILES_EACH_SHAPE:
        assert 8 <= len(found) < 8 + multiple  # of one size, whatever there is


def test_metrics_that_would_count_fillers_are_refused(monkeypatch, x):
    vae = make_vae(compile_kwargs={"metrics": ["mse"]})
    share_out(monkeypatch, 2)
    with pytest.raises(ValueError, match="weighted_metrics"):
        vae.fit(x[:9], batch_size=4, verbose=0)


def test_batches_are_filled_up_by_rows_that_count_for_nothing(monkeypatch, x):
    losses = []
    for multiple in (None, 4):
        if multiple:
            share_out(monkeypatch, 4)
        keras.utils.set_random_seed(3)
        vae = make_vae(keras.optimizers.SGD(0.1), noise=0.3)
        losses.append(vae.fit(x[:9], batch_size=4, epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


def test_replicas_draw_apart_from_one_state():
    generators = [keras.random.SeedGenerator(5) for _ in range(3)]
    seeds_of_replicas.part(generators[:2], lambda: 0)
    seeds_of_replicas.part(generators[1:2], lambda: 1)
    draws = [to_numpy(keras.random.normal((4,), seed=g)) for g in generators]
    np.testing.assert_array_equal(draws[0], draws[2])
    assert np.abs(draws[0] - draws[1]).min() > 1e-3
    states = [to_numpy(g.state) for g in generators]
    np.testing.assert_array_equal(states[0], states[1])
