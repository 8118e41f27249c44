"""Wrong use is answered by name, before training starts."""

import keras
import numpy as np
import pytest
from helpers import make_vae, on_one_backend
from keras import layers, ops

import keras_vae as kv


def sequential(*stack):
    return keras.Sequential(list(stack))


@pytest.mark.parametrize(
    "decoder",
    [
        lambda: sequential(keras.Input((5,)), layers.Dense(12)),
        lambda: keras.Model(i := keras.Input((5,)), layers.Dense(12)(i)),
        lambda: built(kv.networks.DenseDecoder(12), 5),
    ],
    ids=["sequential", "functional", "layer"],
)
def test_latent_sizes_that_differ_are_refused_by_the_constructor(decoder):
    with pytest.raises(ValueError, match=r"latent_dim=3, but the decoder takes codes of 5"):
        make_vae(decoder=decoder())


def built(layer, latent_dim):
    layer.build((None, latent_dim))
    return layer


def test_latent_sizes_that_differ_are_refused_for_a_functional_encoder(x):
    inputs = keras.Input((12,))
    mean, log_var = layers.Dense(4)(inputs), layers.Dense(4)(inputs)
    encoder = keras.Model(inputs, [mean, log_var, kv.SampleLayer()((mean, log_var))])
    vae = kv.VAE(encoder, sequential(keras.Input((5,)), layers.Dense(12)))
    vae.compile("adam")
    with pytest.raises(ValueError, match=r"latent_dim=4, but the decoder takes codes of 5"):
        vae.fit(x)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_decoder_output_of_another_shape_than_the_data(x, method):
    vae = make_vae(decoder=kv.networks.DenseDecoder(11))
    with pytest.raises(ValueError, match=r"target's samples have shape \(12,\).*shape \(11,\)"):
        getattr(vae, method)(x)


def test_decoder_output_of_another_shape_on_train_on_batch(x):
    vae = make_vae(decoder=kv.networks.DenseDecoder(11))
    with pytest.raises(ValueError, match=r"target's samples have shape \(12,\).*shape \(11,\)"):
        vae.train_on_batch(x)


class Subclassed(keras.layers.Layer):
    """A decoder in which no final activation can be found by looking at its layers."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(12)

    def call(self, z):
        return ops.sigmoid(self.dense(z))


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "decoder",
    [
        lambda: sequential(layers.Dense(8, "relu"), layers.Dense(12, "sigmoid")),
        lambda: sequential(layers.Dense(12), layers.Activation("sigmoid"), layers.Reshape((12,))),
        lambda: sequential(layers.Dense(12), layers.Softmax()),
        lambda: sequential(sequential(layers.Dense(12, "sigmoid"))),
        Subclassed,
    ],
    ids=["dense", "reshaped", "softmax", "nested", "subclassed"],
)
@pytest.mark.parametrize("at", ["build", "fit", "call"])
def test_sigmoid_output_under_logits(x, decoder, at):
    vae = make_vae(decoder=decoder())
    act = {
        "build": lambda: vae.build((None, 12)),
        "fit": lambda: vae.fit(x),
        "call": lambda: vae(x),
    }
    with pytest.raises(ValueError, match=r"expects logits.*from_logits=False"):
        act[at]()


def test_raw_output_under_probabilities(x):
    vae = make_vae(likelihood=kv.likelihoods.Bernoulli(from_logits=False))
    with pytest.raises(ValueError, match=r"expects probabilities.*sigmoid"):
        vae.fit(x)


def test_sigmoid_output_where_it_belongs(x):
    decoder = sequential(layers.Dense(8, "relu"), layers.Dense(12, "sigmoid"))
    vae = make_vae(decoder=decoder, likelihood=kv.likelihoods.Bernoulli(from_logits=False))
    history = vae.fit(x, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.parametrize("zeros", [True, False])
def test_raw_outputs_are_not_taken_for_probabilities(zeros, x):
    initializer = "zeros" if zeros else "glorot_uniform"
    decoder = sequential(layers.Dense(8, "tanh"), layers.Dense(12, kernel_initializer=initializer))
    make_vae(decoder=decoder).fit(x, verbose=0)


@on_one_backend
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_decoder_of_one_feature_is_not_taken_for_probabilities(x, activation):
    for seed in range(30):
        keras.utils.set_random_seed(seed)
        decoder = kv.networks.DenseDecoder(1, (4,), activation=activation)
        vae = kv.VAE(kv.VariationalEncoder(1, kv.networks.DenseEncoder((4,))), decoder)
        vae.build((None, 1))


def test_sigmoid_output_is_found_under_float16():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        vae = make_vae(decoder=sequential(layers.Dense(64, "relu"), layers.Dense(12, "sigmoid")))
        with pytest.raises(ValueError, match="expects logits"):
            vae.build((None, 12))
    finally:
        keras.config.set_dtype_policy("float32")


@on_one_backend
@pytest.mark.parametrize(
    "labels", [np.zeros(256, "int64"), np.zeros((256, 1)), np.eye(10)[np.zeros(256, int)]]
)
def test_labels_in_place_of_a_target(x, labels):
    with pytest.raises(ValueError, match="class labels are no target"):
        make_vae().fit(x, labels)
    with pytest.raises(ValueError, match="class labels are no target"):
        make_vae().fit(x, validation_data=(x, labels))


def replaced(x, value):
    x = x.copy()
    x[200, 3] = value
    return x


BAD_DATA = {
    "empty": (lambda x: x[:0], "x is empty"),
    "NaN": (lambda x: replaced(x, np.nan), "NaN or infinite"),
    "infinite": (lambda x: replaced(x, -np.inf), "NaN or infinite"),
    "above 1": (lambda x: replaced(x, 1.5), r"Bernoulli needs values in \[0, 1\].* to 1.5"),
    "negative": (lambda x: replaced(x, -0.1), r"Bernoulli needs values in \[0, 1\].* from -0.1"),
    "8 bits": (lambda x: (255 * x).astype("uint8"), r"to 255.*/ 255"),
    "one axis": (lambda x: x[:, 0], r"x has shape \(256,\)"),
    "text": (lambda x: x.astype(str), "must hold numbers"),
    "list": (lambda x: list(x), r"received a list.*np.stack"),
    "number": (lambda x: 3, "must be an array"),
    "empty generator": (lambda x: (row for row in ()), "x is empty"),
    "generator with NaN": (lambda x: iter([replaced(x, np.nan)]), "NaN or infinite"),
}


@on_one_backend
@pytest.mark.parametrize(("make", "message"), BAD_DATA.values(), ids=BAD_DATA.keys())
def test_unsuitable_data(x, make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make_vae().fit(make(x))


@on_one_backend
@pytest.mark.parametrize(("make", "message"), list(BAD_DATA.values())[:4])
def test_unsuitable_data_elsewhere(x, make, message):
    vae = make_vae()
    with pytest.raises(ValueError, match=message.replace("x is empty", "is empty")):
        vae.fit(x, validation_data=make(x))
    with pytest.raises(ValueError, match=message.replace("x is empty", "is empty")):
        vae.fit(x, validation_data=(x, make(x)))
    with pytest.raises(ValueError, match=message):
        vae.evaluate(make(x))
    assert int(vae.optimizer.iterations) == 0


def test_unsuitable_tf_dataset(x):
    import tensorflow as tf

    def dataset(array):
        return tf.data.Dataset.from_tensor_slices(array).batch(256)

    with pytest.raises(ValueError, match="x is empty"):
        make_vae().fit(dataset(x[:0]))
    with pytest.raises(ValueError, match="NaN or infinite"):
        make_vae().fit(dataset(replaced(x, np.nan)))
    with pytest.raises(ValueError, match="Bernoulli needs values"):
        make_vae().fit(dataset(2.0 * x))
    with pytest.raises(ValueError, match="class labels are no target"):
        make_vae().fit(dataset((x, np.zeros(256))))


def test_real_values_suit_the_gaussian(x):
    make_vae(likelihood="gaussian").fit(10.0 * x - 5.0, verbose=0)


def test_data_of_another_shape_than_the_model_was_built_for(x):
    vae = make_vae()
    vae.fit(x, verbose=0)
    with pytest.raises(ValueError, match=r"shape \(11,\); the model was built for \(12,\)"):
        vae.fit(x[:, :11])
    with pytest.raises(ValueError, match=r"encode takes an array of shape \(n, 12\)"):
        vae.encode(x[:, :11])
    with pytest.raises(ValueError, match=r"batch axis: x\[None\]"):
        vae.reconstruct(x[0])
    with pytest.raises(ValueError, match=r"decode takes an array of shape \(n, 3\)"):
        vae.decode(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="start has 2 samples, but end has 3"):
        vae.interpolate(x[:2], x[:3])


def test_no_samples(x):
    vae = make_vae()
    vae.build((None, 12))
    with pytest.raises(ValueError, match="sample needs a number of at least 1; received 0"):
        vae.sample(0)


def test_a_folder_that_is_not_there(tmp_path):
    vae = make_vae()
    vae.build((None, 12))
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        vae.save(tmp_path / "nowhere" / "vae.keras")


@on_one_backend
def test_sample_weights_that_are_none(x):
    for weights, message in (
        (np.ones(255), "one weight per sample"),
        (-np.ones(256), "not negative"),
        (np.full(256, np.nan), "finite"),
    ):
        with pytest.raises(ValueError, match=message):
            make_vae().fit(x, sample_weight=weights)


def test_use_before_the_model_is_built(x):
    for act in (lambda v: v.encode(x), lambda v: v.sample(3), lambda v: v.export("nowhere")):
        with pytest.raises(ValueError, match="not built"):
            act(make_vae())


@on_one_backend
def test_a_loss_in_compile():
    with pytest.raises(ValueError, match="computes its own loss"):
        make_vae(compile_kwargs={"loss": "mse"})


def test_parts_of_another_kind():
    with pytest.raises(TypeError, match="decoder must be a Keras layer"):
        make_vae(decoder=lambda z: z)
    with pytest.raises(ValueError, match=r"must return \(z_mean, z_log_var, z\)"):
        kv.VAE(layers.Dense(3), layers.Dense(12)).build((None, 12))
    with pytest.raises(ValueError, match="Unknown likelihood 'poison'"):
        make_vae(likelihood="poison")
    with pytest.raises(ValueError, match="regularization_strength must be finite"):
        make_vae(regularization_strength=float("nan"))


# Parts of one's own


@pytest.mark.parametrize("support", ["unsaid", "simplex"])
def test_a_prior_that_does_not_say_where_it_lives_suits_no_spherical_posterior(support):
    class Prior(kv.priors.Prior):
        def distribution(self):
            return kv.distributions.StandardNormal(self.event_shape)

    if support != "unsaid":
        Prior.support = support
    encoder = kv.VariationalEncoder(3, posterior="von_mises_fisher")
    with pytest.raises(ValueError, match=r"Prior.support must be|support = 'sphere' in its class"):
        kv.VAE(encoder, kv.networks.DenseDecoder(12), prior=Prior())


def test_a_layer_is_no_objective():
    with pytest.raises(TypeError, match=r"objective is a name"):
        kv.VAE(kv.VariationalEncoder(), kv.networks.DenseDecoder(12), objective=layers.Dense(1))


class Other(kv.objectives.ELBO):
    def terms(self, forward):
        return super().terms(forward) | {"extra": 0.0}


class Lacking(kv.objectives.ELBO):
    term_names = ("promised",)


@pytest.mark.parametrize(
    ("objective", "reason"),
    [
        (Other, r"Other.terms .*has extra besides"),
        (Lacking, r"Lacking.terms .*lacks promised"),
    ],
)
def test_what_an_objective_does_not_declare_is_named(x, objective, reason):
    vae = make_vae(objective=objective())
    with pytest.raises(ValueError, match=reason):
        vae.fit(x, verbose=0)
