"""VariationalEncoder: maps data to the parameters of its posterior and a draw from it."""

import copy
import math
from typing import Self

import keras
from keras import ops

from keras_vae import networks, posteriors
from keras_vae.conditions import NOTHING, Given, call, symbolic, takes_condition, tiled
from keras_vae.encoders.base import Encoder, check_inputs
from keras_vae.encoders.sample_layer import SampleLayer
from keras_vae.networks.stack import Stack
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_count, check_shape, plain


@serializable(old="VariationalEncoder")
class VariationalEncoder(keras.layers.Layer, Encoder):
    """Maps x to `(z_mean, z_log_var, z)`: a network, a posterior's head and a `SampleLayer`.

    Args:
        latent_dim: number of latent dimensions, 2 by default.
        network: any Keras layer or model from x to features; features of a
            higher rank are flattened, unless `latent_shape` is a grid of theirs.
            `None` picks a `ConvEncoder` for images (rank 4) and a `DenseEncoder`
            for ranks 2 and 3 when built.
        posterior: a name in `keras_vae.posteriors`, or a posterior's head.
        n_samples: draws of z per input, see `SampleLayer`.
        seed: seed of the `SampleLayer`.
        latent_shape: the shape of one code, in place of `latent_dim`, which is short
            for `(latent_dim,)`. A grid of codes, `(7, 7, 16)`, is made place by place
            of features of shape `(batch, 7, 7, n)`, and of others as a whole.
        sees_mask: whether the network gets [x·m, m] on the last axis, twice as long,
            with m = 1 where a value was observed and 0 where it is NaN. Without it the
            network gets 0 for NaN, and cannot tell it from a value of 0.

    Call arguments:
        inputs: data of shape `(batch, *features)`.
        condition: a condition's vector, `(batch, size)`, which joins the features, or
            goes to a network of two inputs; the VAE passes it.
        n_samples: overrides the encoder's own `n_samples` for this call.

    Returns:
        For the diagonal normal `z_mean` and `z_log_var`, log σ² bounded to
        [-20, 10], of shape `(batch, *latent_shape)`, and `z` of that shape or,
        with `n_samples`, `(n_samples, batch, *latent_shape)`. Other posteriors
        give parameters of their own, `z_mean` first and `z` last; their names
        are `latent_names`.

    Raises:
        ValueError: if `latent_dim` is not a positive integer, or given beside
            `latent_shape`; if there is no such posterior, or it makes vectors only
            and is to make a grid; or if there is no default network for the rank of
            the input.

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, appendix C.2.

    Example:
        >>> z_mean, z_log_var, z = VariationalEncoder()(images)  # (N, 32, 32, 1)
        >>> encoder = VariationalEncoder(10, posterior="inverse_autoregressive_flow")
    """

    takes_n_samples = True
    latent_shape: tuple[int, ...]

    def __init__(
        self,
        latent_dim: int | None = None,
        network: keras.layers.Layer | None = None,
        posterior="diagonal_normal",
        n_samples: int | None = None,
        seed: int | None = None,
        latent_shape: tuple[int, ...] | None = None,
        sees_mask: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if network is not None and not isinstance(network, keras.layers.Layer):
            raise TypeError(
                "network must be a Keras layer or model, for example "
                f"keras_vae.networks.DenseEncoder(); received {network!r}."
            )
        self.latent_shape = _latent_shape(latent_dim, latent_shape)
        self.latent_dim = math.prod(self.latent_shape)
        # Before the head, where files expect it, also if it is made only when built.
        self.place = networks.DefaultEncoder() if network is None else network
        self.n_samples, self.seed = plain(n_samples), plain(seed)
        self.sees_mask = bool(sees_mask)
        self.condition_size = 0  # until a VAE with a condition builds it
        self.flatten = keras.layers.Flatten(dtype="float32")
        self.head = posteriors.get(posterior)
        self.head.set_latent_shape(self.latent_shape)
        self.sampler = SampleLayer(n_samples=n_samples, seed=seed, name="sampler")

    @property
    def network(self) -> keras.layers.Layer | None:
        """The layer from x to features; a default one is `None` until the encoder is built."""
        is_default = isinstance(self.place, networks.DefaultEncoder)
        return self.place.network if is_default else self.place

    @property
    def posterior_class(  # type: ignore[override]  # others have a plain attribute
        self,
    ) -> type[posteriors.Posterior]:
        return self.head.distribution_class

    @property
    def casts_whole_numbers(self) -> bool:  # type: ignore[override]  # others have a plain attribute
        """Whether the network is one of the package, or sees a mask; others may take ids."""
        return self.sees_mask or isinstance(self.network, Stack)

    @property
    def latent_names(self) -> tuple[str, ...]:
        """Names of what a call returns."""
        return (*self.head.param_names, *self.head.draw_names)

    def build(self, input_shape) -> None:
        if self.sees_mask:
            input_shape = (*input_shape[:-1], 2 * input_shape[-1])
        if self.network is None:
            self.place.build(input_shape)
        network = self._made_network()
        _take_whole_numbers(network, input_shape)
        # A symbolic call builds user-made networks that have no `build` too.
        x, given = keras.KerasTensor(input_shape), symbolic(self.condition_size)
        features = call(network, x, given, training=False)
        self.flatten.build(features.shape)  # also where no call needs it
        self.head.build(self._joined(self._flattened(features), given).shape)
        shape = (input_shape[0], *self.latent_shape)
        self.sampler.build((shape, shape))

    def connect(self, input_shape, condition_size=0) -> tuple[int, ...]:
        check_inputs(self.network, condition_size)
        if not self.built:
            self.condition_size = condition_size
            self.build(input_shape)
        if self.condition_size != condition_size:
            raise ValueError(
                f"The encoder was built for a condition of {self.condition_size} numbers, but the "
                f"VAE's has {condition_size}. Make a new encoder for it."
            )
        return self.latent_shape

    def get_build_config(self) -> dict | None:
        config = super().get_build_config()
        size = {"condition_size": self.condition_size} if self.condition_size else {}
        return config and {**config, **size}

    def build_from_config(self, config) -> None:
        self.condition_size = config.pop("condition_size", 0)
        super().build_from_config(config)

    def _made_network(self):
        if self.network is None:
            raise ValueError("The encoder is not built yet: call it on data, or build its VAE.")
        return self.network

    def _flattened(self, features):
        if tuple(features.shape)[1:-1] == self.latent_shape[:-1]:
            return features
        return self.flatten(features)

    def _with_mask(self, x):
        """Returns what the network gets of x: `[x·m, m]` where it sees the mask."""
        if not self.sees_mask:
            return x
        x = ops.cast(x, self.compute_dtype)
        missing = ops.isnan(x)
        observed = ops.cast(ops.logical_not(missing), x.dtype)
        return ops.concatenate([ops.where(missing, ops.zeros_like(x), x), observed], axis=-1)

    def _joined(self, features, given):
        return features if takes_condition(self.network) else given.joined(features)

    def posterior_params(
        self, inputs, training: bool = False, given: Given = NOTHING, n_classes: int = 1
    ) -> dict:
        """Returns the posterior's parameters by name, without a draw; the layer must be built."""
        network, inputs = self._made_network(), self._with_mask(inputs)
        if takes_condition(network):
            features = call(network, tiled(inputs, n_classes), given, training)
        else:
            features = tiled(network(inputs, training=training), n_classes)
        return self.head(self._joined(self._flattened(features), given), training=training)

    def posterior(self, outputs: dict) -> posteriors.Posterior:
        """Returns the posterior of parameters given by name."""
        return self.head.distribution(outputs)

    def outputs(
        self,
        x,
        training: bool,
        n_samples: int | None = None,
        given: Given = NOTHING,
        n_classes: int = 1,
    ) -> dict:
        """Returns the parameters and the draw of a call by their `latent_names`."""
        arguments = {"n_samples": n_samples, "n_classes": n_classes, "condition": given.vector}
        defaults = {"n_samples": None, "n_classes": 1, "condition": None}
        # Few arguments, as Keras looks at each.
        changed = {k: v for k, v in arguments.items() if v is not defaults[k]}
        return dict(zip(self.latent_names, self(x, training=training, **changed), strict=True))

    def call(
        self, inputs, n_samples=None, training=None, condition=None, n_classes=1
    ) -> tuple[Tensor, ...]:
        given = Given(vector=condition)
        params = self.posterior_params(inputs, bool(training), given, n_classes)
        posterior = self.posterior(params)
        arguments = {} if n_samples is None else {"n_samples": n_samples}
        # Not the layer itself, which for few rows takes torch twice as long.
        z_0 = self._draw_base(posterior.base(), n_classes, **arguments)
        z, log_prob = posterior.from_base(z_0)
        draw = {"z": z, "z_log_prob": log_prob}
        return (*params.values(), *(draw[name] for name in self.head.draw_names))

    def _draw_base(self, base, n_classes, **arguments):
        if n_classes == 1:
            return self.sampler.call(base, **arguments)
        # The noise of a row is the same in each class.
        mean, log_var = base
        zeros = ops.zeros_like(ops.split(mean, n_classes)[0])
        noise = self.sampler.call((zeros, zeros), **arguments)
        noise = ops.concatenate([noise] * n_classes, axis=-len(self.latent_shape) - 1)
        return mean + ops.exp(0.5 * log_var) * noise

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            **self._size(),
            "network": keras.saving.serialize_keras_object(self.network),
            "posterior": keras.saving.serialize_keras_object(self.head),
            "n_samples": self.n_samples,
            "seed": self.seed,
            "sees_mask": self.sees_mask,
        }

    def _size(self):
        if len(self.latent_shape) == 1:
            return {"latent_dim": self.latent_dim}
        return {"latent_shape": self.latent_shape}

    @classmethod
    def from_config(cls, config) -> Self:
        config = dict(config)
        for part in ("network", "posterior"):
            # Of a copy, as Keras's own layers change what they are given.
            config[part] = keras.saving.deserialize_keras_object(copy.deepcopy(config[part]))
        return cls(**config)


def _latent_shape(latent_dim, latent_shape):
    if latent_shape is None:
        return (check_count("latent_dim", 2 if latent_dim is None else latent_dim),)
    if latent_dim is not None:
        raise ValueError(
            f"latent_dim={latent_dim} is short for latent_shape=({latent_dim},); received "
            f"latent_shape={latent_shape} too. Give one of them."
        )
    return check_shape("latent_shape", latent_shape)


def _take_whole_numbers(network, input_shape):
    """Gives a Sequential of no input layer one that keeps ids, which Keras's own would round."""
    if isinstance(network, keras.Sequential) and not network.built:
        layers = network.layers
        for _ in layers:
            network.pop(rebuild=False)
        for layer in (keras.Input(batch_shape=input_shape, dtype="float32"), *layers):
            network.add(layer, rebuild=False)
