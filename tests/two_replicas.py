"""Run by test_vae.py in a process of its own: tf.distribute needs its devices set up first."""

import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras  # noqa: E402
from helpers import make_vae, set_same_weights  # noqa: E402

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
    results.append((np.concatenate([w.ravel() for w in vae.get_weights()]), history["loss"]))

assert strategy.num_replicas_in_sync == 2
np.testing.assert_allclose(results[0][0], results[1][0], atol=1e-6)
np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-5)
