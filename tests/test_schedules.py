import keras
import numpy as np
import pytest
from helpers import assert_close, make_vae

from keras_vae.schedules import Cyclical


def test_cycles_rise_and_hold():
    schedule = Cyclical(cycle_steps=8, high=3.0, low=1.0, rise=0.5)
    values = [float(schedule(step)) for step in range(18)]
    cycle = [1.0, 1.5, 2.0, 2.5, 3.0, 3.0, 3.0, 3.0]
    np.testing.assert_allclose(values, [*cycle, *cycle, 1.0, 1.5], rtol=1e-6)


def test_config_round_trip():
    schedule = Cyclical(100, 4.0, rise=0.2)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert [float(copy(s)) for s in range(150)] == [float(schedule(s)) for s in range(150)]


def test_beta_follows_the_cycle(x):
    vae = make_vae(beta=Cyclical(cycle_steps=4, high=2.0))
    betas = []
    for _ in range(6):
        vae.reset_metrics()
        betas.append(float(vae.train_on_batch(x, return_dict=True)["beta"]))
    assert_close(betas, [0.0, 1.0, 2.0, 2.0, 0.0, 1.0], rtol=1e-6)


def test_wrong_use():
    with pytest.raises(ValueError, match="cycle_steps must be at least 1"):
        Cyclical(0)
    with pytest.raises(ValueError, match="rise must lie in"):
        Cyclical(10, rise=0.0)
