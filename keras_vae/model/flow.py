"""Flow: how tensors flow through the parts of a VAE."""

import contextvars
import functools
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vae import encoders
from keras_vae.backend import sum_over_replicas
from keras_vae.backend.second_pass import second_pass
from keras_vae.conditions import NOTHING, Condition, Given, call_or_join, tiled
from keras_vae.likelihoods import Likelihood
from keras_vae.model.compiled_inference import CompiledInference
from keras_vae.objectives import Forward, Objective
from keras_vae.posteriors import Posterior
from keras_vae.priors import Prior
from keras_vae.training.beside import Beside
from keras_vae.training.compiled_loops import CompiledLoops
from keras_vae.training.data import warn_of_target
from keras_vae.training.row_order import RowOrder
from keras_vae.typing import Tensor
from keras_vae.validation.arrays import check_target_shape

# Set while a training or test step runs: `call` then gives all that the loss needs.
# A context variable, as replicas of tf.distribute run in threads of their own.
in_step = contextvars.ContextVar("keras_vae_in_step", default=False)
# The mode of the loss that is computed now, which a VampPrior's second pass needs.
mode = contextvars.ContextVar("keras_vae_training", default=False)


class Flow(keras.Model):
    """The base of the classes that a `VAE` consists of: its parts, and what flows between them.

    Attributes:
        encoder, decoder, likelihood, prior, objective: the parts.
        condition: what is given beside x, or `None`.
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
    condition: Condition | None
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

    def beside(self, inference: bool = False, main: str = "x") -> Beside:
        """Returns what reads the condition and the labels that a user passes.

        Args:
            inference: whether this is for a function of the trained model, which takes no labels.
            main: what it is a function of: `"x"`, whose class a model may guess, or `"z"`.
        """
        if inference:
            guesses = self.goes_through_classes and main == "x"
            return Beside(condition=self.condition, is_guessed=guesses)
        return Beside(
            condition=self.condition,
            classes=self.objective.classes_of(self.condition),
            is_labelled=self.goes_through_classes,
        )

    def check_built(self, action: str) -> None:
        """Raises a ValueError if the model has no weights yet."""
        if not self.built:
            raise ValueError(
                f"Cannot {action} yet: the model is not built. Call fit, or "
                "vae.build((None, *shape_of_one_sample))."
            )

    def check_target(self, x, y=None) -> None:
        """Raises a ValueError if the target, y or else x, does not suit the model.

        Args:
            x: array of rows.
            y: the target's rows, where it is not x.
        """
        target = x if y is None else y
        check_target_shape(target.shape[1:], self.target_features)
        self.likelihood.check_target(target)
        if y is None and self.own_target:
            warn_of_target()

    def build_condition(self, input_shape) -> tuple[tuple, int]:
        """Returns the shape of x and how many numbers join, having built the condition."""
        is_dict = isinstance(input_shape, Mapping)
        x_shape = tuple(input_shape["x"] if is_dict else input_shape)
        if self.condition is None:
            return x_shape, 0
        if not self.condition.built:
            given = input_shape.get("condition") if is_dict else None
            shape = self.condition.shapes() if given is None else given
            self.condition.build(shape)
        return x_shape, self.condition.size

    def split(self, inputs, training: bool = False, main: str = "x") -> tuple[Tensor, Given]:
        """Returns x, or codes, and what is given beside them, of the inputs of a call.

        Args:
            inputs: a tensor, or a dict of it by the name of `main`, and `condition`.
            training: the mode of the condition's layers.
            main: `"x"` or `"z"`.

        Raises:
            ValueError: if the model has a condition and the inputs have none.
        """
        if in_step.get() and self.goes_through_classes:
            return self._split_by_class(inputs)
        if not isinstance(inputs, dict):
            if self.goes_through_classes and main == "x":
                return self._split_by_guess(inputs)
            if self.condition is not None:
                raise ValueError(
                    f"The model has a condition, which a call gets beside {main}: "
                    f'vae({{"{main}": {main}, "condition": c}}).'
                )
            return inputs, NOTHING
        values = ops.convert_to_tensor(inputs[main])
        if "condition" not in inputs and self.goes_through_classes:
            return self._split_by_guess(values)
        if self.condition is None or "condition" not in inputs:
            return values, NOTHING
        return values, self.condition.given(inputs["condition"], training)

    def _split_by_guess(self, x):
        """Returns x, and what the likeliest class of each row gives."""
        x = ops.convert_to_tensor(x)
        logits = self.objective.class_logits(self._encoder_input(x), None, training=False)
        return x, self.condition.given(ops.argmax(logits, axis=-1))

    @property
    def goes_through_classes(self) -> bool:
        """Whether a step takes each row once for each class, the condition being its class."""
        return self.objective.n_classes > 1

    def _split_by_class(self, inputs):
        """Returns x, and what each class gives to each of its rows, one class behind the other."""
        x = ops.convert_to_tensor(inputs["x"] if isinstance(inputs, dict) else inputs)
        n = self.objective.n_classes
        classes = np.arange(n, dtype="int32")[:, None]
        # Not `ops.repeat`, whose shape follows from a tensor's values on torch.
        classes = ops.reshape(ops.broadcast_to(classes, (n, ops.shape(x)[0])), (-1,))
        return x, self.condition.given(classes)

    def given_of_nobody(self) -> Given:
        """Returns what a condition gives to one row, of zeros, where only shapes count."""
        if self.condition is None:
            return NOTHING
        zeros, size = ops.zeros((1,)), self.condition.size
        exposure = zeros if self.condition.gives_exposure else None
        return Given(
            vector=ops.zeros((1, size)) if size else None,
            log_exposure=exposure,
            log_typical=exposure,
            shares=self.condition.shares,
        )

    def of_inputs(self, function: Callable, main: str = "x") -> Callable:
        """Returns a function of x, or codes, and `given` as one of the inputs of a call."""

        def on_inputs(inputs, *others):
            values, given = self.split(inputs, main=main)
            return function(values, *others, given=given)

        return on_inputs

    def _latents(self, x, given, training):
        """Returns the encoder's outputs by name."""
        n_draws = self.objective.n_draws if in_step.get() else None
        arguments = self._given_to_encoder(given)
        if in_step.get() and self.goes_through_classes:
            arguments["n_classes"] = self.objective.n_classes
        encoder = encoders.get(self.encoder)
        x = self._encoder_input(x, given, encoder.sees_mask)
        return encoder.outputs(x, training, n_draws, **arguments)

    def _given_to_encoder(self, given):
        return {} if given.vector is None else {"given": given}

    def _encoder_input(self, x, given=NOTHING, sees_mask=False):
        """Returns x as networks take it: floats cast, ids and counts as they are.

        What was not observed is 0, or NaN for an encoder that sees the mask.
        """
        if given.log_exposure is not None and self.input_features == self.target_features:
            # As if all were counted for as long, so that codes do not tell.
            factor = ops.exp(given.log_typical - given.log_exposure)
            factor = ops.reshape(factor, (-1, *[1] * (len(x.shape) - 1)))
            x = ops.cast(x, "float32") * factor[: ops.shape(x)[0]]
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
            return x
        if self.input_features == self.target_features:
            x = self.likelihood.as_input(x)
        x = ops.cast(x, self.compute_dtype)
        if self.likelihood.takes_missing and not sees_mask:
            x = ops.where(ops.isnan(x), ops.zeros_like(x), x)
        return x

    def posterior_params(self, x, training: bool = False, given: Given = NOTHING) -> dict:
        """Returns the parameters of q(z|x) by name, as tensors, `z_mean` first.

        Args:
            x: data, `(batch, *features)`.
            training: the mode of the layers.
            given: what a condition gives.
        """
        encoder, arguments = encoders.get(self.encoder), self._given_to_encoder(given)
        x = self._encoder_input(x, given, encoder.sees_mask)
        return encoder.posterior_params(x, training, **arguments)

    def posterior(self, x, training: bool = False, given: Given = NOTHING) -> Posterior:
        """Returns q(z|x) as a distribution of tensors."""
        return self._posterior_of(self.posterior_params(x, training, given))

    def _posterior_again(self, x, given=NOTHING):
        """Returns q(z|x) of more inputs in a step, in the step's mode."""
        call = functools.partial(self.posterior_params, given=given)
        params = second_pass(self.encoder, x, training=mode.get(), call=call)
        return self._posterior_of(params)

    def _posterior_of(self, outputs):
        return encoders.get(self.encoder).posterior(outputs)

    def posterior_mean(self, x, training: bool = False, given: Given = NOTHING) -> Tensor:
        """Returns the code of x without randomness, the mean of a normal posterior, as a tensor."""
        return self.posterior_params(x, training, given)["z_mean"]

    def mean_given(self, z, training: bool = False, given: Given = NOTHING) -> Tensor:
        """Returns the mean of p(x|z) as a tensor."""
        return self.likelihood.mean(self.params_given(z, training, given))

    def params_given(self, z, training: bool = False, given: Given = NOTHING) -> Tensor:
        """Decodes z, of shape (batch, *latent_shape) or (n_samples, batch, *latent_shape)."""
        return self._decode(z, given, functools.partial(self._call_decoder, training=training))

    def _params_again(self, z, training, given):
        """Decodes more codes in a step."""
        again = functools.partial(
            second_pass, self.decoder, training=training, call=self._call_decoder
        )
        return self._decode(z, given, again)

    def _call_decoder(self, z, given, training):
        return call_or_join(self.decoder, z, given, training)

    def _decode(self, z, given, decoder):
        rank = len(self.latent_shape)
        lead = ops.shape(z)[:-rank]
        flat = z if len(lead) == 1 else ops.reshape(z, (-1, *self.latent_shape))
        given = given if len(lead) == 1 else given.repeated(lead[0])
        params = decoder(flat, given)
        if given.log_exposure is not None:
            params = self.likelihood.exposed(params, given.log_exposure, given.shares)
        return params if len(lead) == 1 else ops.reshape(params, (*lead, *params.shape[1:]))

    def forward_pass(self, inputs, target, outputs, weights, step, training) -> Forward:
        """Returns what an objective is computed from."""
        is_dict = isinstance(inputs, Mapping)
        shares = self.condition is not None and self.condition.shares
        given = Given.of_outputs(outputs, shares)
        return Forward(
            x=self._encoder_input(inputs["x"] if is_dict else inputs, given),
            target=tiled(target, self.objective.n_classes),
            params=outputs["params"],
            z=outputs["z"],
            posterior=self._posterior_of(outputs),
            prior=self.prior.given(given),
            likelihood=self.likelihood,
            sample_weight=weights / ops.maximum(sum_over_replicas(ops.sum(weights)), 1e-12),
            decode=functools.partial(self._params_again, training=training, given=given),
            log_qz=outputs.get("z_log_prob"),
            step=step,
            data_size=self.data_size,
            training=training,
            given=given,
            labels=inputs.get("labels") if is_dict else None,
            decoder_weights=lambda: self.decoder.trainable_variables,
        )
