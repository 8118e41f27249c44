"""What is registered with Keras: configs that can be used twice, and names that are taken."""

import copy
import importlib
import inspect
import pkgutil

import keras
import numpy as np
import pytest
from helpers import make_vae
from keras import layers

import keras_vae as kv
from keras_vae.saving.registry import serializable

BACKEND = keras.backend.backend()
# Not what runs by itself, nor what other backends take.
APART = ("keras_vae.cli", "keras_vae.serving", "keras_vae.backend.")
MODULES = [
    importlib.import_module(module.name)
    for module in pkgutil.walk_packages(kv.__path__, "keras_vae.")
    if not module.name.startswith(APART)
]
REGISTERED = {
    keras.saving.get_registered_name(item).removeprefix("keras_vae."): item
    for name, item in keras.saving.get_custom_objects().items()
    if name.startswith("keras_vae") and item.__module__.startswith("keras_vae.")
}


@keras.saving.register_keras_serializable(package="tests")
def normal_of_this_file(params, scale):
    import tensorflow_probability as tfp

    return tfp.distributions.Normal(params, scale)


@keras.saving.register_keras_serializable(package="tests")
def wide(scale):
    import tensorflow_probability as tfp

    return tfp.distributions.Normal(0.0, scale)


def recurrent():
    """A network whose classes change the config that they are given."""
    cells = [layers.LSTMCell(3), layers.GRUCell(2)]
    return keras.Sequential([layers.Reshape((-1, 1)), layers.Bidirectional(layers.RNN(cells))])


def recurrent_vae():
    decoder = keras.Sequential([recurrent(), layers.Dense(12)])
    encoder = kv.VariationalEncoder(3, recurrent())
    regularizer = keras.regularizers.L2(0.1)
    return kv.VAE(encoder, decoder, kv.likelihoods.Masked("gaussian"), regularizer=regularizer)


ARGUMENTS = {
    "likelihoods>FromDistribution": (normal_of_this_file, {"scale": np.ones(3)}),
    "priors>FromDistribution": (wide, {"scale": np.ones(3)}),
    "likelihoods>FromFunction": (normal_of_this_file,),
    "likelihoods>Masked": (kv.likelihoods.Gaussian("learned"),),
    "networks>ConditionalConvDecoder": ((8, 8, 1),),
    "networks>ConditionalDenseDecoder": (5,),
    "networks>ConvDecoder": ((8, 8, 1),),
    "networks>DenseDecoder": (5,),
    "schedules>Cyclical": (10,),
    "conditions>Embedding": (3,),
    "objectives>Classifier": (3,),
    "conditions>OneHot": (["a", "b"],),
}
MADE = {
    "model>VAE": recurrent_vae,
    "encoders>VariationalEncoder": lambda: kv.VariationalEncoder(3, recurrent(), "planar_flow"),
    "conditions>FromLayer": lambda: kv.conditions.FromLayer(recurrent(), (5, 2)),
    "conditions>Several": lambda: kv.conditions.Several({"digit": kv.conditions.OneHot(10)}),
    "objectives>FactorVAE": lambda: kv.objectives.FactorVAE(
        kv.schedules.Cyclical(10), network=recurrent()
    ),
}


def make(name):
    if "FromDistribution" in name and BACKEND != "tensorflow":
        pytest.skip("TFP computes with TensorFlow's tensors")
    return MADE[name]() if name in MADE else REGISTERED[name](*ARGUMENTS.get(name, ()))


@pytest.mark.parametrize("name", [n for n, c in REGISTERED.items() if inspect.isclass(c)])
def test_a_config_can_be_used_twice(name):
    item = make(name)
    config = item.get_config()
    check(type(item).from_config, config)
    # As it is written into files: with the configs of its parts in it.
    check(keras.saving.deserialize_keras_object, keras.saving.serialize_keras_object(item))


def check(build, config):
    before = copy.deepcopy(config)
    first, second = build(config), build(config)
    np.testing.assert_equal(config, before)
    assert type(first) is type(second)
    configs = [without_names(item.get_config()) for item in (first, second)]
    np.testing.assert_equal(*configs)


def without_names(config):
    """Layers that are not named are numbered."""
    if isinstance(config, dict):
        numbered = ("name", "shared_object_id")
        return {k: without_names(v) for k, v in config.items() if k not in numbered}
    return [without_names(v) for v in config] if isinstance(config, (list, tuple)) else config


# Names


def test_a_name_says_in_which_folder_a_class_is():
    assert len(REGISTERED) >= 45
    for name, item in REGISTERED.items():
        folder, _, label = name.partition(">")
        assert item.__module__.split(".")[1] == folder
        assert item.__name__ == label


def test_each_name_belongs_to_one_class():
    for name, item in REGISTERED.items():
        assert keras.saving.get_registered_object(f"keras_vae.{name}") is item
    own = [
        item
        for module in MODULES
        for item in vars(module).values()
        if inspect.isclass(item) and item.__module__ == module.__name__
        if keras.saving.get_registered_name(item) != item.__name__
    ]
    assert len(own) >= 40
    for item in own:
        name = keras.saving.get_registered_name(item)
        assert keras.saving.get_registered_object(name) is item, name


@pytest.fixture
def registered():
    """Takes back what a test registers."""
    names = keras.saving.get_custom_objects()
    before = dict(names)
    yield keras.saving.register_keras_serializable
    names.clear()
    names.update(before)


def poisson_vae():
    vae = make_vae(likelihood=kv.likelihoods.Poisson())
    vae.build((None, 12))
    return vae


def in_folder(folder, base, name="Poisson"):
    """A class of the package, as a file of its own would define it."""
    module = f"keras_vae.{folder}.a_file_of_its_own"
    return type(name, (base,), {"__module__": module, "__qualname__": name})


def test_a_prior_and_a_likelihood_of_the_package_may_have_one_name(registered, tmp_path):
    poisson_vae().save(tmp_path / "before.keras")
    prior = serializable()(in_folder("priors", kv.priors.StandardNormal))
    vae = make_vae(prior=prior(), likelihood=kv.likelihoods.Poisson())
    vae.build((None, 12))
    vae.save(tmp_path / "vae.keras")
    for name, kind in (("vae.keras", prior), ("before.keras", kv.priors.StandardNormal)):
        copy = kv.load_model(tmp_path / name)
        assert type(copy.prior) is kind
        assert type(copy.likelihood) is kv.likelihoods.Poisson


@pytest.mark.parametrize("options", [{}, {"old": "Poisson"}], ids=["folder", "old name"])
def test_a_name_that_is_taken_is_an_error_at_import(registered, options):
    folder = "priors" if options else "likelihoods"
    key = "keras_vae>Poisson" if options else "keras_vae.likelihoods>Poisson"
    with pytest.raises(
        ValueError, match=rf"'{key}', the registered name of .* was given to .* too"
    ):
        serializable(**options)(in_folder(folder, kv.likelihoods.Poisson))


def test_a_class_that_takes_a_name_of_the_package_is_said(registered, tmp_path):
    poisson_vae().save(tmp_path / "vae.keras")

    class Poisson(kv.priors.StandardNormal):
        pass

    registered(package="keras_vae.likelihoods")(Poisson)
    reason = (
        r"'keras_vae\.likelihoods>Poisson', the registered name of "
        r"keras_vae\.likelihoods\.poisson\.Poisson, was given to .*<locals>\.Poisson too"
        r".*under a package"
    )
    with pytest.raises(ValueError, match=reason):
        poisson_vae().save(tmp_path / "new.keras")
    with pytest.raises(ValueError, match=r"Cannot load .*vae\.keras: " + reason):
        kv.load_model(tmp_path / "vae.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["vae.keras"]


def test_a_name_beside_those_of_the_package_is_nobodys(registered, tmp_path):
    @registered(package="keras_vae.priors")
    class WideNormal(kv.priors.StandardNormal):
        pass

    vae = make_vae(prior=WideNormal())
    vae.build((None, 12))
    vae.save(tmp_path / "vae.keras")
    assert type(kv.load_model(tmp_path / "vae.keras").prior) is WideNormal


def test_a_prior_and_a_likelihood_of_one_name_cannot_be_saved_together(registered, tmp_path):
    @registered(package="mine")
    class Own(kv.priors.StandardNormal):
        pass

    prior = Own()

    @registered(package="mine")
    class Own(kv.likelihoods.Gaussian):
        pass

    vae = make_vae(prior=prior, likelihood=Own())
    vae.build((None, 12))
    with pytest.raises(ValueError, match=r"'mine>Own', the registered name of .* too"):
        vae.save(tmp_path / "vae.keras")


def test_a_class_that_is_defined_anew_has_its_name(registered, tmp_path):
    def define():
        @registered(package="mine")
        class Own(kv.priors.StandardNormal):
            pass

        return Own

    vae = make_vae(prior=define()())
    vae.build((None, 12))
    again = define()
    vae.save(tmp_path / "vae.keras")
    assert type(kv.load_model(tmp_path / "vae.keras").prior) is again
