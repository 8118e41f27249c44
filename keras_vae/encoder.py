"""VariationalEncoder: maps data to the parameters of its posterior and a draw from it."""

import keras
from keras import ops

from keras_vae import networks
from keras_vae.sample_layer import SampleLayer

MIN_LOG_VAR = -20.0
MAX_LOG_VAR = 10.0


@keras.saving.register_keras_serializable(package="keras_vae")
class VariationalEncoder(keras.layers.Layer):
    """Maps x to `(z_mean, z_log_var, z)`: a network, two heads and a `SampleLayer`.

    The heads are float32 whatever the dtype policy. `z_log_var` is log σ² and
    is clipped to [-20, 10] (σ from 4.5e-5 to 148), so that float16 and early
    training cannot overflow; the gradient passes through the clip, so that a
    unit beyond the bound can come back.

    Args:
        latent_dim: number of latent dimensions.
        network: any Keras layer or model from x to features; features of a
            higher rank are flattened. `None` picks a `ConvEncoder` for images
            (rank 4) and a `DenseEncoder` for ranks 2 and 3 when built.
        n_samples: draws of z per input, see `SampleLayer`.
        seed: seed of the `SampleLayer`.

    Call arguments:
        inputs: data of shape `(batch, *features)`.

    Returns:
        `z_mean` and `z_log_var` of shape `(batch, latent_dim)`, and `z` of that
        shape or, with `n_samples`, `(n_samples, batch, latent_dim)`.

    Raises:
        ValueError: if `latent_dim` is not a positive integer, or there is no
            default network for the rank of the input.

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, appendix C.2.

    Example:
        >>> z_mean, z_log_var, z = VariationalEncoder()(images)  # (N, 32, 32, 1)
    """

    def __init__(
        self,
        latent_dim: int = 2,
        network: keras.layers.Layer | None = None,
        n_samples: int | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(latent_dim, int) or latent_dim < 1:
            raise ValueError(f"latent_dim must be a positive integer; received {latent_dim!r}.")
        if network is not None and not isinstance(network, keras.layers.Layer):
            raise TypeError(
                "network must be a Keras layer or model, for example "
                f"keras_vae.networks.DenseEncoder(); received {network!r}."
            )
        self.latent_dim = latent_dim
        self.network = network
        self.n_samples = n_samples
        self.seed = seed
        self.flatten = keras.layers.Flatten(dtype="float32")
        self.z_mean_head = keras.layers.Dense(latent_dim, dtype="float32", name="z_mean")
        self.z_log_var_head = keras.layers.Dense(latent_dim, dtype="float32", name="z_log_var")
        self.sampler = SampleLayer(n_samples=n_samples, seed=seed, name="sampler")

    def build(self, input_shape):
        if self.network is None:
            self.network = networks.default_encoder(len(input_shape))
        # A symbolic call builds user-made networks that have no `build` too.
        features = self.flatten(self.network(keras.KerasTensor(input_shape)))
        self.z_mean_head.build(features.shape)
        self.z_log_var_head.build(features.shape)
        latent_shape = (input_shape[0], self.latent_dim)
        self.sampler.build((latent_shape, latent_shape))

    def moments(self, inputs):
        """Returns `(z_mean, z_log_var)` without drawing z; the layer must be built."""
        features = self.flatten(self.network(inputs))
        z_log_var = self.z_log_var_head(features)
        bounded = ops.clip(z_log_var, MIN_LOG_VAR, MAX_LOG_VAR)
        # Straight-through: a clipped unit would otherwise get no gradient at all.
        return self.z_mean_head(features), z_log_var + ops.stop_gradient(bounded - z_log_var)

    def call(self, inputs, training=None):
        z_mean, z_log_var = self.moments(inputs)
        return z_mean, z_log_var, self.sampler((z_mean, z_log_var))

    def get_config(self):
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "network": keras.saving.serialize_keras_object(self.network),
            "n_samples": self.n_samples,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        network = keras.saving.deserialize_keras_object(config.pop("network"))
        return cls(network=network, **config)
