"""Layers of the user train in `fit`, and nowhere else, on every backend."""

import keras
import numpy as np
import pytest
from helpers import N_FEATURES, make_vae, to_numpy
from keras import layers, ops

import keras_vae as kv


@keras.saving.register_keras_serializable(package="tests")
class AddsWhatItIsTold(layers.Layer):
    """A layer whose effect says how it was called."""

    def __init__(self, amount=1.0, **kwargs):
        super().__init__(**kwargs)
        self.amount = amount

    def call(self, x, training=True):
        return x + (self.amount if training else 0.0)


class Modes(layers.Layer):
    """Notes the mode of each call."""

    def __init__(self, note):
        super().__init__()
        self.note = note

    def call(self, x, training=None):
        self.note(training)
        return x


class EachBatch(keras.callbacks.Callback):
    """Makes `fit` use Keras's own loop."""

    def on_train_batch_end(self, batch, logs=None):
        pass


def network(*inner, units=8):
    return keras.Sequential([layers.Dense(units, "tanh"), *inner, layers.Dense(units)])


def parts(encoder_layers, decoder_layers=()):
    return {
        "encoder": kv.VariationalEncoder(3, network(*encoder_layers)),
        "decoder": network(*decoder_layers, units=N_FEATURES),
    }


@pytest.mark.parametrize("loop", ["device", "keras"])
def test_dropout_drops_in_fit_alone(x, loop):
    callbacks = [EachBatch()] if loop == "keras" else []
    losses = {}
    for rate in (0.0, 0.9):
        keras.utils.set_random_seed(1)
        vae = make_vae(**parts([layers.Dropout(rate, seed=1)], [layers.Dropout(rate, seed=2)]))
        vae.build((None, N_FEATURES))
        before = vae.get_weights()
        losses[rate] = vae.fit(x, epochs=2, verbose=0, callbacks=callbacks).history["loss"]
        vae.set_weights(before)
        losses[rate, "evaluate"] = vae.evaluate(x, verbose=0)[0]
    assert np.abs(np.subtract(losses[0.0], losses[0.9])).min() > 1e-3
    np.testing.assert_allclose(losses[0.0, "evaluate"], losses[0.9, "evaluate"], rtol=1e-5)


def test_moving_statistics_move_as_keras_says(x):
    vae = make_vae(**parts([layers.BatchNormalization(momentum=0.5, name="norm")]))
    vae.build((None, N_FEATURES))
    dense, norm, _ = vae.encoder.network.layers
    mean = to_numpy(dense(x)).mean(axis=0)  # before the weights change
    vae.train_on_batch(x)
    np.testing.assert_allclose(to_numpy(norm.moving_mean), 0.5 * mean, rtol=1e-4, atol=1e-5)
    moved = norm.get_weights()
    vae.evaluate(x, verbose=0)
    vae.encode(x)
    for a, b in zip(norm.get_weights(), moved, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_mode_is_said_to_every_layer(x):
    found = {"encoder": [], "decoder": []}
    vae = make_vae(
        **parts([Modes(found["encoder"].append)], [Modes(found["decoder"].append)]),
        compile_kwargs={"jit_compile": False, "run_eagerly": True},
    )
    vae.build((None, N_FEATURES))

    def modes(action):
        for calls in found.values():
            calls.clear()
        action()
        return {mode for calls in found.values() for mode in calls}

    assert modes(lambda: vae.train_on_batch(x)) == {True}
    for action in (
        lambda: vae.evaluate(x, verbose=0),
        lambda: vae.encode(x),
        lambda: vae.decode(np.zeros((2, 3), "float32")),
        lambda: vae.reconstruct(x),
        lambda: vae.score(x),
        lambda: vae.sample(3),
        lambda: vae.kl_per_dimension(x),
        lambda: vae.log_likelihood(x[:5], 10),
        lambda: vae.predict(x, verbose=0),
        lambda: vae(x),
        lambda: vae(x, latent=True),
        lambda: vae.posterior_params(ops.array(x)),
    ):
        assert modes(action) == {False}


RANDOM_BY_DEFAULT = {
    "own": lambda: AddsWhatItIsTold(100.0),
    "noise": lambda: layers.GaussianNoise(1.0),
    "nested": lambda: keras.Sequential([AddsWhatItIsTold(100.0)]),
}


@pytest.mark.parametrize("kind", RANDOM_BY_DEFAULT)
def test_layers_that_train_by_default_do_not_at_inference(x, kind):
    make = RANDOM_BY_DEFAULT[kind]
    vae = make_vae(**parts([make()], [make()]))
    vae.fit(x, verbose=0)
    functions = (vae.encode, vae.reconstruct, vae.score, vae.kl_per_dimension, vae)
    for function in functions:
        first, second = to_numpy(function(x)), to_numpy(function(x))
        np.testing.assert_array_equal(first, second)
    dense = vae.encoder.network.layers
    plain = keras.Sequential([dense[0], dense[-1]])  # without what trains only
    mean, _ = vae.encoder.head(plain(x)).values()
    np.testing.assert_allclose(vae.encode(x), to_numpy(mean), rtol=1e-4, atol=1e-5)


def test_augmentation_of_images_does_not_reach_inference():
    images = np.random.default_rng(0).random((8, 8, 8, 1)).astype("float32")
    augmented = keras.Sequential(
        [layers.RandomTranslation(0.5, 0.5), layers.RandomFlip(), layers.Flatten()]
    )
    vae = kv.VAE(kv.VariationalEncoder(2, augmented), kv.networks.DenseDecoder((8, 8, 1), (4,)))
    vae.build((None, 8, 8, 1))
    mean, _ = vae.encoder.head(images.reshape(8, -1)).values()
    np.testing.assert_allclose(vae.encode(images), to_numpy(mean), rtol=1e-4, atol=1e-5)


# Second passes


def batch_normalized(objective, seed=3, **kwargs):
    keras.utils.set_random_seed(seed)
    encoder = kv.VariationalEncoder(3, network(layers.BatchNormalization()))
    decoder = network(layers.BatchNormalization(momentum=0.5), units=N_FEATURES)
    vae = make_vae(keras.optimizers.SGD(1.0), None, encoder=encoder, decoder=decoder,
                   objective=objective, **kwargs)  # fmt: skip
    vae.build((None, N_FEATURES))
    return vae


@pytest.mark.parametrize("objective", ["dreg", "piwae"])
def test_decoding_twice_in_a_step_is_one_training_pass(x, objective):
    """DReG's and PIWAE's decoder follows the gradient of IWAE's, to the last digits."""
    doubly = {
        "dreg": kv.objectives.IWAE(4, "doubly_reparameterized"),
        "piwae": kv.objectives.PIWAE(2, 2),
    }[objective]
    weights = {}
    for objective in (doubly, kv.objectives.IWAE(4)):
        vae = batch_normalized(objective)
        before = vae.decoder.get_weights()
        vae.train_on_batch(x)
        weights[objective] = [a - b for a, b in zip(vae.decoder.get_weights(), before, strict=True)]
    for found, expected in zip(*weights.values(), strict=True):
        # Of the moving statistics too, which move once.
        np.testing.assert_allclose(found, expected, atol=1e-4 * max(1.0, np.abs(expected).max()))


def test_a_vamp_prior_of_the_batch_is_its_aggregate_posterior_in_training(x):
    """With the batch as pseudo-inputs log q(z|x) - log p(z) is at most log of their number."""
    batch = x[:32]
    prior = kv.priors.VampPrior(pseudo_inputs=batch)
    vae = batch_normalized("elbo", prior=prior)
    # Moving statistics far from those of the batch, and a sharp posterior.
    for layer in vae.encoder.network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(layer.moving_mean + 5.0)
    vae.encoder.head.z_log_var_head.bias.assign(np.full(3, -4.0))
    loss = vae.train_on_batch(batch, return_dict=True)
    assert loss["kl_loss"] < np.log(32) + 1e-3
    moved = [to_numpy(w) for w in vae.encoder.network.layers[1].non_trainable_weights]
    again = batch_normalized("elbo", prior="standard_normal")
    for layer in again.encoder.network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(layer.moving_mean + 5.0)
    again.train_on_batch(batch)
    for a, b in zip(moved, again.encoder.network.layers[1].non_trainable_weights, strict=True):
        np.testing.assert_allclose(a, to_numpy(b), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("objective", [kv.objectives.FactorVAE, kv.objectives.InfoMaxVAE])
def test_a_critic_trains_in_training_mode_and_its_statistics_move_once(x, objective):
    norm = layers.BatchNormalization(momentum=0.0)
    critic = keras.Sequential([norm, layers.Dense(1)])
    vae = make_vae(objective=objective(network=critic))
    vae.build((None, N_FEATURES))
    vae.evaluate(x, verbose=0)
    np.testing.assert_array_equal(to_numpy(norm.moving_mean), 0.0)
    vae.train_on_batch(x)
    # With momentum 0 the moving mean is that of the last pass: the joint one, of x beside z.
    moved = to_numpy(norm.moving_mean)
    assert np.abs(moved).max() > 0
    if objective is kv.objectives.InfoMaxVAE:
        np.testing.assert_allclose(moved[:N_FEATURES], x.mean(axis=0), rtol=1e-4, atol=1e-5)


def test_activity_regularizers_count_once_under_a_second_pass(x):
    def loss(objective, factor):
        keras.utils.set_random_seed(3)
        regularizer = keras.regularizers.L2(factor)
        decoder = keras.Sequential(
            [layers.Dense(8, activity_regularizer=regularizer), layers.Dense(N_FEATURES)]
        )
        vae = make_vae(decoder=decoder, objective=objective)
        return vae.train_on_batch(x, return_dict=True)["loss"]

    added = [
        loss(kv.objectives.IWAE(4, gradient), 0.1) - loss(kv.objectives.IWAE(4, gradient), 0.0)
        for gradient in ("reparameterized", "doubly_reparameterized")
    ]
    assert added[0] > 1e-3
    np.testing.assert_allclose(*added, rtol=1e-3)


# What enters the encoder


@pytest.mark.in_turn
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float32"])
def test_ids_reach_an_embedding_as_they_are(policy):
    ids = np.random.default_rng(0).integers(0, 3000, (16, 4)).astype("int32")
    keras.config.set_dtype_policy(policy)
    try:
        embedding = layers.Embedding(3000, 2, dtype="float32")
        encoder = kv.VariationalEncoder(2, keras.Sequential([embedding, layers.Flatten()]))
        vae = kv.VAE(encoder, kv.networks.DenseDecoder(4, (4,)), "poisson")
        vae.compile("adam")
        vae.fit(ids, verbose=0)
    finally:
        keras.config.set_dtype_policy("float32")
    table = to_numpy(embedding.embeddings)
    mean, _ = vae.encoder.head(table[ids].reshape(16, -1)).values()
    # Other ids differ by the table's own 0.03; its values are rounded under a mixed policy.
    tolerance = 1e-6 if policy == "float32" else 1e-3
    np.testing.assert_allclose(vae.encode(ids), to_numpy(mean), rtol=0, atol=tolerance)


@pytest.mark.in_turn
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "int64"])
def test_whole_numbers_train_the_networks_of_the_package(x, dtype):
    data = x.astype(dtype)
    assert np.isfinite(make_vae().fit(data, verbose=0).history["loss"]).all()
    vae = make_vae()
    vae.build((None, N_FEATURES))
    np.testing.assert_allclose(vae.encode(data), vae.encode(x), rtol=1e-5, atol=1e-6)


# A batch's loss


def test_the_loss_of_a_batch_is_what_evaluate_says(x):
    vae = make_vae(noise=0.5)
    vae.build((None, N_FEATURES))
    loss = float(vae.compute_loss(ops.array(x), training=False))
    assert loss == pytest.approx(vae.test_on_batch(x)[0], rel=1e-5)
    with pytest.raises(ValueError, match=r"Leave y_pred out"):
        vae.compute_loss(ops.array(x), y_pred=vae(x))


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX differentiates functions")
def test_a_loop_of_ones_own_has_the_gradient_of_fit(x):
    vae = make_vae(keras.optimizers.SGD(1.0), noise=0.5)
    vae.build((None, N_FEATURES))
    bias = vae.decoder.stack[-2].bias
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = vae.compute_loss(ops.array(x))
        gradient = to_numpy(tape.gradient(loss, bias.value))
    else:
        vae.compute_loss(ops.array(x)).backward()
        gradient = to_numpy(bias.value.grad)
        vae.zero_grad()
    before = to_numpy(bias)
    vae.train_on_batch(x)
    np.testing.assert_allclose(before - to_numpy(bias), gradient, rtol=1e-4, atol=1e-5)
