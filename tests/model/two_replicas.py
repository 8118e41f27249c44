"""Run by test_vae.py in a process of its own: tf.distribute needs its devices set up first."""

import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

sys.path.insert(0, str(Path(__file__).parents[1]))

import keras  # noqa: E402
import pytest  # noqa: E402
from helpers import make_vae, set_same_weights  # noqa: E402

import keras_vae as kv  # noqa: E402

x = (np.random.default_rng(0).random((64, 12)) < 0.4).astype("float32")
results = []
for strategy in (
    tf.distribute.OneDeviceStrategy("CPU:0"),
    tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]),
):
    with strategy.scope():
        vae = make_vae(keras.optimizers.SGD(0.1), noise=0.4)
        vae.build((None, 12))
        set_same_weights(vae)
        history = vae.fit(x, batch_size=32, epochs=2, shuffle=False, verbose=0).history
        # The σ of an epoch is that of its rows, whichever replica had them.
        optimal = kv.likelihoods.Gaussian("optimal")
        other = make_vae(keras.optimizers.SGD(0.0), noise=0.4, likelihood=optimal)
        other.build((None, 12))
        set_same_weights(other.encoder)
        set_same_weights(other.decoder)
        other.fit(x[:56], batch_size=32, epochs=2, shuffle=False, verbose=0)
    weights = np.concatenate([w.ravel() for w in vae.get_weights()])
    results.append((weights, history["loss"], optimal.variance.numpy()))

assert strategy.num_replicas_in_sync == 2
np.testing.assert_allclose(results[0][0], results[1][0], atol=1e-6)
np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-5)
np.testing.assert_allclose(results[0][2], results[1][2], rtol=1e-5)

# Made in the scope, and all else outside of it.
options = {"batch_size": 32, "verbose": 0}
with strategy.scope():
    vae = make_vae(noise=0.4)
optimizer = keras.optimizers.SGD(0.5)
vae.compile(optimizer)
optimizer.learning_rate = 0.1
assert vae.optimizer is optimizer
vae.evaluate(x, **options)
set_same_weights(vae)
losses = vae.fit(x, epochs=2, shuffle=False, **options).history["loss"]
np.testing.assert_allclose(results[0][1], losses, rtol=1e-5)
trained = np.concatenate([w.ravel() for w in vae.get_weights()])
np.testing.assert_allclose(results[0][0], trained, atol=1e-6)

with strategy.scope():
    vae = make_vae(beta=kv.schedules.Cyclical(10))
vae.fit(x, **options)
with tempfile.TemporaryDirectory() as folder:
    vae.save(f"{folder}/vae.keras")
    with strategy.scope():
        loaded = kv.load_model(f"{folder}/vae.keras")
    alone = kv.load_model(f"{folder}/vae.keras")
losses = [v.fit(x, shuffle=False, **options).history["loss"] for v in (vae, loaded, alone)]
np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
np.testing.assert_allclose(loaded.encode(x), vae.encode(x), atol=1e-6)
with pytest.raises(ValueError, match="has been used outside"):
    vae.compile(alone.optimizer)
