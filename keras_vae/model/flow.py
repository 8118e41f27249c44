"""Flow: how tensors flow through the parts of a VAE."""

import contextvars
import functools
from typing import Any

import keras
from keras import ops

from keras_vae import encoders
from keras_vae.backend.second_pass import second_pass
from keras_vae.likelihoods import Likelihood
from keras_vae.model.compiled_inference import CompiledInference
from keras_vae.objectives import Objective
from keras_vae.posteriors import Posterior
from keras_vae.priors import Prior
from keras_vae.training.compiled_loops import CompiledLoops
from keras_vae.training.row_order import RowOrder
from keras_vae.typing import Tensor

# Set while a training or test step runs: `call` then gives all that the loss needs.
# A context variable, as replicas of tf.distribute run in threads of their own.
in_step = contextvars.ContextVar("keras_vae_in_step", default=False)
# The mode of the loss that is computed now, which a VampPrior's second pass needs.
mode = contextvars.ContextVar("keras_vae_training", default=False)


class Flow(keras.Model):
    """The base of the classes that a `VAE` consists of: its parts, and what flows between them.

    Attributes:
        encoder, decoder, likelihood, prior, objective: the parts.
        latent_shape: the shape of one code; `latent_dim` is how many numbers it has.
        input_features, target_features: the shapes of one sample, of a model that is built.
        own_target: whether `fit` had a target other than x.
        training_step: how many steps were made, where the objective asks for it.
        data_size: how many rows the data has, likewise.
    """

    encoder: keras.layers.Layer
    decoder: keras.layers.Layer
    likelihood: Likelihood
    prior: Prior
    objective: Objective
    latent_shape: tuple[int, ...]
    latent_dim: int
    input_features: tuple | Any  # None before it is built
    target_features: tuple | Any
    own_target: bool
    training_step: keras.Variable | None
    data_size: keras.Variable | None
    compiled_inference: CompiledInference
    compiled_loops: CompiledLoops
    row_order: RowOrder

    def check_built(self, action: str) -> None:
        """Raises a ValueError if the model has no weights yet."""
        if not self.built:
            raise ValueError(
                f"Cannot {action} yet: the model is not built. Call fit, or "
                "vae.build((None, *shape_of_one_sample))."
            )

    def _latents(self, x, training):
        """Returns the encoder's outputs by name."""
        n_draws = self.objective.n_draws if in_step.get() else None
        return encoders.get(self.encoder).outputs(self._encoder_input(x), training, n_draws)

    def _encoder_input(self, x):
        """Returns x as the encoder takes it: floats cast, ids and counts as they are."""
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
            return x
        if self.input_features == self.target_features:
            x = self.likelihood.as_input(x)
        x = ops.cast(x, self.compute_dtype)
        if self.likelihood.takes_missing:
            x = ops.where(ops.isnan(x), ops.zeros_like(x), x)
        return x

    def posterior_params(self, x, training: bool = False) -> dict:
        """Returns the parameters of q(z|x) by name, as tensors, `z_mean` first."""
        return encoders.get(self.encoder).posterior_params(self._encoder_input(x), training)

    def posterior(self, x, training: bool = False) -> Posterior:
        """Returns q(z|x) as a distribution of tensors."""
        return self._posterior_of(self.posterior_params(x, training))

    def _posterior_again(self, x):
        """Returns q(z|x) of more inputs in a step, in the step's mode."""
        params = second_pass(self.encoder, x, training=mode.get(), call=self.posterior_params)
        return self._posterior_of(params)

    def _posterior_of(self, outputs):
        return encoders.get(self.encoder).posterior(outputs)

    def posterior_mean(self, x, training: bool = False) -> Tensor:
        """Returns the code of x without randomness, the mean of a normal posterior, as a tensor."""
        return self.posterior_params(x, training)["z_mean"]

    def mean_given(self, z, training: bool = False) -> Tensor:
        """Returns the mean of p(x|z) as a tensor."""
        return self.likelihood.mean(self.params_given(z, training))

    def params_given(self, z, training: bool = False) -> Tensor:
        """Decodes z, of shape (batch, *latent_shape) or (n_samples, batch, *latent_shape)."""
        return self._decode(functools.partial(self.decoder, training=training), z)

    def _params_again(self, z, training):
        """Decodes more codes in a step."""
        return self._decode(functools.partial(second_pass, self.decoder, training=training), z)

    def _decode(self, decoder, z):
        rank = len(self.latent_shape)
        if len(z.shape) == 1 + rank:
            return decoder(z)
        params = decoder(ops.reshape(z, (-1, *self.latent_shape)))
        return ops.reshape(params, (*ops.shape(z)[:-rank], *params.shape[1:]))
