"""What the tape of torch carries runs as Keras's own loop runs; what it cannot falls back."""

import keras
import numpy as np
import pytest
from keras import layers
from keras.optimizers import schedules
from tape_runs import (
    FEATURES,
    N,
    adam,
    assert_fallen_back,
    assert_recorded,
    assert_same_runs,
    on_torch,
    recorded,
    rests,
    rows,
    vae,
)

import keras_vae as kv

pytestmark = [on_torch, pytest.mark.usefixtures("recorded")]
__all__ = ["recorded", "rests"]  # fixtures


def of_images():
    encoder = keras.Sequential(
        [
            layers.Conv2D(3, 3, strides=2, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
        ]
    )
    decoder = keras.Sequential(
        [
            layers.Dense(16),
            layers.Reshape((2, 2, 4)),
            layers.UpSampling2D(2),
            layers.SpatialDropout2D(0.2),
            layers.Conv2DTranspose(1, 3, strides=2, padding="same"),
        ]
    )
    return kv.VAE(kv.VariationalEncoder(2, encoder), decoder)


def with_strided_convolutions():
    encoder = kv.networks.ConvEncoder((3, 4))
    return kv.VAE(kv.VariationalEncoder(2, encoder), kv.networks.ConvDecoder((8, 8, 1), (4, 3)))


def named(name):
    return lambda: getattr(keras.optimizers, name)(1e-2)


def scheduled(make):
    return lambda: keras.optimizers.Adam(make())


MODELS = {
    "dropout": lambda: vae(layers.Dropout(0.3)),
    "noise": lambda: vae(
        layers.GaussianNoise(0.1), layers.GaussianDropout(0.1), layers.AlphaDropout(0.1)
    ),
    "batch statistics": lambda: vae(layers.BatchNormalization()),
    "layer normalization": lambda: vae(layers.LayerNormalization()),
    "weight penalty": lambda: vae(dense={"kernel_regularizer": "l2"}),
    "constraint": lambda: vae(dense={"kernel_constraint": "max_norm"}),
    "a schedule of beta": lambda: vae(beta=schedules.PolynomialDecay(0.0, 5, 4.0)),
}
OPTIMIZERS = {
    "clipnorm": adam(clipnorm=0.1),
    "clipvalue": adam(clipvalue=0.01),
    "global_clipnorm": adam(global_clipnorm=0.1),
    "amsgrad": adam(amsgrad=True),
    "averaged": adam(use_ema=True),
    "loss_scale_factor": adam(loss_scale_factor=8.0),
    "AdamW": lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1),
    "exponential": scheduled(lambda: schedules.ExponentialDecay(1e-2, 3, 0.5)),
    "piecewise": scheduled(lambda: schedules.PiecewiseConstantDecay([2, 4], [1e-2, 1e-3, 1e-4])),
    "polynomial": scheduled(lambda: schedules.PolynomialDecay(1e-2, 6)),
    **{
        name: named(name)
        for name in ("RMSprop", "Adagrad", "Adamax", "Lion", "Ftrl", "Adafactor",
                     "Lamb", "Muon")
    },
}  # fmt: skip
UNRECORDED_OPTIMIZERS = {
    "gradient accumulation": adam(gradient_accumulation_steps=2),
    "averages that overwrite": adam(use_ema=True, ema_overwrite_frequency=3),
    "scaled loss": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2)),
    "cosine with warm-up": scheduled(
        lambda: schedules.CosineDecay(1e-3, 10, warmup_target=1e-2, warmup_steps=4)
    ),
    "SGD": named("SGD"),
    "momentum": lambda: keras.optimizers.SGD(1e-2, momentum=0.9, nesterov=True),
    "Nadam": named("Nadam"),
    "Adadelta": named("Adadelta"),
    "a function": lambda: keras.optimizers.Adam(lambda: 1e-2),
}


@pytest.mark.parametrize("name", MODELS)
def test_models(name, recorded):
    assert_same_runs(MODELS[name], adam())
    assert_recorded(recorded)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name, recorded):
    assert_same_runs(vae, OPTIMIZERS[name])
    assert_recorded(recorded)


@pytest.mark.parametrize("name", UNRECORDED_OPTIMIZERS)
def test_optimizers_that_fall_back(name, recorded):
    assert_same_runs(vae, UNRECORDED_OPTIMIZERS[name])
    assert_fallen_back(recorded)


@pytest.mark.parametrize("make", [of_images, with_strided_convolutions])
def test_convolutions(make, recorded):
    assert_same_runs(make, adam(), x=rows("images"), rtol=1e-4)
    assert_recorded(recorded)


# What draws from computed values, or decides by them.
UNRECORDED_PARTS: set[str] = set()
PARTS = {
    **{f"objective {n}": ("objective", n) for n in kv.objectives.NAMES},
    **{f"posterior {n}": ("posterior", n) for n in kv.posteriors.NAMES},
    **{
        f"prior {n}": ("prior", n)
        for n, cls in kv.priors.NAMES.items()
        if not issubclass(cls, kv.priors.ConditionalPrior)
    },
    **{f"likelihood {n}": ("likelihood", n) for n in kv.likelihoods.NAMES},
}


def with_part(kind, name):
    if kind == "posterior":
        on_sphere = name == "von_mises_fisher"
        others = {"prior": "uniform_on_sphere"} if on_sphere else {}
        others |= {"objective": "rae"} if name == "point" else {}
        return vae(encoder={"posterior": name}, **others)
    encoder = {"posterior": "von_mises_fisher"} if name == "uniform_on_sphere" else {}
    encoder = {"posterior": "point"} if name == "rae" else encoder
    part = kv.likelihoods.get(name) if kind == "likelihood" else name
    n_params = part.params_per_feature if kind == "likelihood" else 1
    return vae(encoder=encoder, units=n_params * FEATURES, **{kind: part})


@pytest.mark.parametrize("name", PARTS)
def test_parts(name, recorded):
    x = np.eye(FEATURES, dtype="float32")[np.arange(N) % FEATURES]  # in most supports
    assert_same_runs(lambda: with_part(*PARTS[name]), adam(), x=x)
    (assert_fallen_back if name in UNRECORDED_PARTS else assert_recorded)(recorded)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy, recorded):
    keras.config.set_dtype_policy(policy)
    # Steps of bfloat16 round by a hundredth.
    assert_same_runs(vae, adam(), rtol=1e-3)
    (assert_recorded if policy == "mixed_bfloat16" else assert_fallen_back)(recorded)
