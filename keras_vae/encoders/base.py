"""Encoder: what a VAE asks of the part that maps x to its posterior."""

import abc

import keras

from keras_vae.conditions import NOTHING, Given, takes_condition
from keras_vae.distributions.base import Distribution
from keras_vae.distributions.reparameterized import Reparameterized


class Encoder(abc.ABC):
    """Maps x to the parameters of q(z|x) and a draw of it.

    Seldom to be written: a `VariationalEncoder` takes any network, and a layer or
    model that returns `(z_mean, z_log_var, z)` is an encoder as it is (`FromLayer`).
    One of your own inherits from `keras.layers.Layer` and from this class, and
    defines the methods below and

    Attributes:
        latent_shape: the shape of one code, such as `(latent_dim,)`; `None` where
            only building tells.
        posterior_class: the class of the posterior.
        takes_n_samples: whether it gives several draws per input if asked.
        n_samples: draws per input unasked; `None` for one without a samples axis.
        casts_whole_numbers: whether whole numbers become floats, and are not ids.
        sees_mask: whether it takes NaN for what was not observed; others get 0 for it.
    """

    latent_shape: tuple[int, ...] | None
    posterior_class: type[Distribution]
    takes_n_samples: bool = False
    n_samples: int | None = None
    casts_whole_numbers: bool = False
    sees_mask: bool = False

    @abc.abstractmethod
    def connect(self, input_shape: tuple, condition_size: int = 0) -> tuple[int, ...]:
        """Builds the encoder for data of this shape, batch included; returns `latent_shape`.

        Args:
            input_shape: shape of x.
            condition_size: how many numbers a condition joins, 0 without one.
        """

    @abc.abstractmethod
    def outputs(
        self,
        x,
        training: bool,
        n_samples: int | None = None,
        given: Given = NOTHING,
        n_classes: int = 1,
    ) -> dict:
        """Returns the posterior's parameters and a draw of it by name.

        Args:
            x: data, `(batch, *features)`.
            training: the mode of the layers.
            n_samples: draws per input, where it `takes_n_samples`.
            given: what a condition gives.
            n_classes: how many times the batch stands in `given`, one behind the other,
                where each row has several conditions; the noise of z is then the same.

        Returns:
            A dict of tensors: `z_mean`, the code without randomness,
            `(batch, *latent_shape)`, and the other parameters, `z`,
            `(batch, *latent_shape)` or with the samples in front, and, where the
            posterior knows no other z, its log q(z|x) as `z_log_prob`.
        """

    @abc.abstractmethod
    def posterior_params(self, x, training: bool = False, given: Given = NOTHING) -> dict:
        """Returns the posterior's parameters by name, `z_mean` first, without a draw."""

    @abc.abstractmethod
    def posterior(self, outputs: dict) -> Reparameterized:
        """Returns the posterior of parameters given by name; other names are ignored."""


def check_inputs(network: keras.layers.Layer | None, condition_size: int) -> None:
    """Raises a ValueError if a functional model takes more than x and a condition."""
    if network is None or (condition_size and takes_condition(network)):
        return
    inputs = getattr(network, "inputs", None)
    if isinstance(inputs, (list, tuple, dict)) and len(inputs) > 1:
        raise ValueError(
            f"{network.name} takes {len(inputs)} inputs, but a VAE's encoder takes x alone, or x "
            "and a condition where the VAE has one: VAE(..., condition=...). Join the data, "
            "np.concatenate([a, b], axis=-1), and part it in the encoder: x[:, :n], x[:, n:]."
        )
