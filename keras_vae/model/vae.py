"""VAE: the model that owns the parts and trains them."""

import functools
import math
from collections.abc import Callable, Mapping

import keras
from keras import ops

from keras_vae import backend, conditions, encoders, likelihoods, priors
from keras_vae.backend.replicas import share_of_batch
from keras_vae.model.classification import Classification
from keras_vae.model.compiled_inference import CompiledInference
from keras_vae.model.connect import check_parts, check_regularizer, connect
from keras_vae.model.flow import in_step, mode
from keras_vae.model.inference import Inference
from keras_vae.model.judging import Judging
from keras_vae.model.prior_fitting import PriorFitting
from keras_vae.model.saving import Saving
from keras_vae.numerics.weighted_mean import weighted_mean
from keras_vae.objectives import loss_weight
from keras_vae.objectives.from_arguments import from_arguments
from keras_vae.saving import random_state
from keras_vae.saving.registry import serializable
from keras_vae.training import likelihood_updates, rows_of_weight_zero
from keras_vae.training.compiled_loops import CompiledLoops
from keras_vae.training.row_order import RowOrder
from keras_vae.training.trackers import LossTracker, TermTracker
from keras_vae.typing import Tensor
from keras_vae.validation.arrays import check_target_shape


@serializable(old="VAE")
class VAE(PriorFitting, Inference, Judging, Classification, Saving):
    """A variational autoencoder: an encoder, a decoder and the parts of its loss.

    The loss is -E[log p(x|z)] + β·KL(q(z|x) ‖ p(z)) + strength·regularizer, in
    nats, averaged over the batch by sample weight; weight penalties of layers
    are added. With β = 1 and neither of the latter it equals -ELBO. The logs
    are `loss`, `reconstruction_loss` and `kl_loss`, `regularization_loss`
    (times its strength) with a regularizer, and the objective's own terms.

    Args:
        encoder: a `VariationalEncoder`, or any layer or model from x to
            `(z_mean, z_log_var, z)`.
        decoder: any layer or model from z to the likelihood's raw params.
        likelihood: a name or object of `keras_vae.likelihoods`, or a function
            `(target, params)` to log p, of shape `(batch,)`.
        prior: a name or object of `keras_vae.priors`, or on TensorFlow a
            `tfp.distributions.Distribution` over vectors.
        beta: β, a number or a `keras.optimizers.schedules.LearningRateSchedule`
            of the training step; 1 by default. Short for an `ELBO` of that β.
        kl_divergence: a function `(posterior, prior, z)` to the KL, of shape
            `(batch,)`, in place of the closed form. Short for an `ELBO` of it.
        objective: a name or object of `keras_vae.objectives`, in place of the two above.
        regularizer: a function of the forward pass's outputs (a dict of
            `reconstruction`, `params` and the encoder's outputs, `z_mean`,
            `z_log_var` and `z`) to a scalar or one value per sample.
        regularization_strength: weight of the regularizer.
        condition: what is given beside x: one of `keras_vae.conditions`, a layer from it to
            a vector, or a dict of these by name. Its vector e(c) joins the features before
            the posterior's head and z before the decoder, or goes to networks of two inputs.

    Call arguments:
        x: data of shape `(batch, *features)`; with a condition a dict
            `{"x": x, "condition": c}`.
        latent: whether to return the latents too.

    Returns:
        The reconstruction from the posterior mean, without randomness: the
        mean of p(x|z), `(batch, *features)`. With `latent=True` a dict of
        `reconstruction` and the encoder's outputs: `z_mean`, `z_log_var` and
        `z`, a draw.

    Raises:
        ValueError: if parts do not fit together, in the constructor where the
            shapes are known and else when the model is built.

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, equation 3;
        Higgins et al., "beta-VAE", 2017, equation 4.

    Example:
        >>> vae = VAE(VariationalEncoder(10), networks.DenseDecoder((28, 28)), beta=4.0)
        >>> vae.compile(keras.optimizers.Adam(1e-3))
        >>> vae.fit(images, epochs=10)
        >>> codes, new_images = vae.encode(images), vae.sample(16)
    """

    regularization_strength = loss_weight.LossWeight()

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        likelihood="bernoulli",
        prior="standard_normal",
        beta: float | keras.optimizers.schedules.LearningRateSchedule | None = None,
        kl_divergence: Callable | None = None,
        objective=None,
        regularizer: Callable | None = None,
        regularization_strength: float = 1.0,
        condition=None,
        **kwargs,
    ):
        # Inputs come as they are: floats are cast where they enter the encoder.
        super().__init__(**{"autocast": False, **kwargs})
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihoods.get(likelihood)
        self.prior = priors.get(prior)
        self.objective = from_arguments(objective, beta, kl_divergence)
        self.condition = conditions.get(condition)
        parts = (self.likelihood, self.prior, self.objective, self.condition)
        check_parts(encoder, decoder, *parts)
        check_regularizer(regularizer)
        self.regularizer = regularizer
        self.loss_weights = loss_weight.LossWeights()
        self.regularization_strength = regularization_strength
        self._set_latent_shape(encoders.get(encoder).latent_shape)
        self.input_features = self.target_features = None
        self.own_target = False  # whether `fit` had a target other than x

        kl_terms = ["kl_loss", "negative_elbo"] if self.objective.needs_kl else []
        terms = ["reconstruction_loss", *kl_terms, *self.objective.own_terms]
        if regularizer is not None:
            terms.append("regularization_loss")
        self.total_loss_tracker = LossTracker(terms)
        self.term_trackers = [TermTracker(n, self.total_loss_tracker.mean) for n in terms]
        self.reconstruction_loss_tracker = self.term_trackers[0]
        if self.objective.needs_kl:
            self.kl_loss_tracker = self.term_trackers[1]
        self.training_step = self.data_size = None
        counter = {"shape": (), "trainable": False, "aggregation": "only_first_replica"}
        if any(part.needs_step for part in self.objective.parts()):
            # JAX hides the optimizer's own counter from the loss.
            self.training_step = self.add_weight(dtype="int32", name="training_step", **counter)
        if any(part.needs_data_size for part in self.objective.parts()):
            # NaN until `fit` is given an array: no size is better than a wrong one. Processes of
            # JAX compare what they begin with, and no NaN is equal to another.
            unknown = float("nan") if backend.process()[1] == 1 else 0.0
            unknown = keras.initializers.Constant(unknown)
            self.data_size = self.add_weight(initializer=unknown, name="data_size", **counter)
        for part in (self, *self.objective.parts()):
            loss_weight.fix(part)
        # Set before each use, so that estimates disturb no other draw.
        self.evaluation_seed = keras.random.SeedGenerator(0)
        self.compiled_inference = CompiledInference(self)
        self.row_order = RowOrder()
        self.compiled_loops = CompiledLoops(self)

    @property
    def beta(self) -> loss_weight.Weight | None:
        """β of the objective, see `keras_vae.objectives.LossWeight`; `None` where it has none."""
        return self.objective.beta

    @beta.setter
    def beta(self, value):
        if self.beta is None:
            raise AttributeError(f"{type(self.objective).__name__} has no beta.")
        self.objective.beta = value

    @property
    def auxiliary_network(self) -> keras.layers.Layer | None:
        """The objective's network; files of version 0.1 hold it under this name."""
        return self.objective.network

    # Building

    def build(self, input_shape) -> None:
        with backend.scope(self):
            self._build(input_shape)

    def _build(self, input_shape):
        input_shape, size = self.build_condition(input_shape)
        parts = (self.encoder, self.decoder, self.prior, self.likelihood, self.objective)
        latent_shape, self.target_features = connect(*parts, input_shape, size)
        self._set_latent_shape(latent_shape)
        self.input_features = tuple(input_shape[1:])
        self.build_prior(self.prior)
        if not self.likelihood.built:
            self.likelihood.build((None, *self.target_features))
        synchronize = backend.synchronizer(self)
        for part in self.objective.parts():
            if not part.built:
                part.build((None, *self.input_features), (None, *self.latent_shape))
            part.loss_weights.make(part, synchronize)
        self.loss_weights.make(self, synchronize)
        random_state.own(self)

    def _set_latent_shape(self, latent_shape):
        self.latent_shape = latent_shape
        self.latent_dim = None if latent_shape is None else math.prod(latent_shape)

    # The forward pass

    def call(self, x, latent=False, training=None) -> Tensor | dict[str, Tensor]:
        training = bool(training)
        x, given = self.split(x, training)
        if not (latent or in_step.get()):
            return self.mean_given(self.posterior_mean(x, training, given), training, given)
        latents = self._latents(x, given, training)
        if not in_step.get():
            mean = self.mean_given(latents["z_mean"], training, given)
            return {"reconstruction": mean, **latents}
        params = self.params_given(latents["z"], training, given)
        reconstruction = self.likelihood.mean(params)
        outputs = {"reconstruction": reconstruction, "params": params}
        return {**outputs, **latents, **given.as_outputs()}

    # Training

    def train_step(self, *args) -> dict:
        logs = self._run_step(super().train_step, *_with_rows_that_count(args))
        return backend.logs_of_step(logs)

    def test_step(self, *args) -> dict:
        logs = self._run_step(super().test_step, *_with_rows_that_count(args))
        return backend.logs_of_step(logs)

    def _run_step(self, keras_step, *args):
        token = in_step.set(True)
        try:
            with backend.shared_step(self):
                return keras_step(*args)
        finally:
            in_step.reset(token)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ) -> Tensor:
        """Returns the loss of a batch, a scalar tensor in nats, and updates the trackers.

        For a training loop of your own: `loss = vae.compute_loss(x)`.

        Args:
            x: data of shape `(batch, *features)`, or a dict of it and of what is given
                beside it, `condition` and `labels`.
            y: the target, where it is not x.
            y_pred: what a step's `call` returned; by default the model is called.
            sample_weight: one weight per sample, or `None`.
            training: whether layers train: drop, add noise, move their statistics.

        Raises:
            ValueError: if the objective needs the size of the data, and neither it nor `fit`
                has said it.
        """
        if y_pred is None:
            if not backend.is_tracing():
                self.check_data_size()
            x, y, sample_weight = rows_of_weight_zero.replaced(x, y, sample_weight)
            y_pred = self._run_step(functools.partial(self.__call__, x, training=training))
        elif "params" not in (y_pred if isinstance(y_pred, dict) else ()):
            raise ValueError(
                "compute_loss needs the latents, which a call of the model outside of a step does "
                "not give. Leave y_pred out: vae.compute_loss(x, y, training=True)."
            )
        # Before any second pass, which would clear them.
        penalties = list(self.losses)
        inputs, x = x, x["x"] if isinstance(x, Mapping) else x
        target = x if y is None else y
        check_target_shape(target.shape[1:], self.target_features)
        weights = ops.ones(ops.shape(target)[:1]) if sample_weight is None else sample_weight
        weights = ops.reshape(ops.cast(weights, "float32"), (-1,))
        step = self._advance_step(training)
        forward = self.forward_pass(inputs, target, y_pred, weights, step, bool(training))
        token = mode.set(bool(training))
        try:
            with likelihood_updates.during(training, forward, self.objective, weights):
                terms = self.objective.compute(forward).by_name()
        finally:
            mode.reset(token)
        means = {name: weighted_mean(name, term, weights) for name, term in terms.items()}
        if self.objective.needs_kl:
            means["negative_elbo"] = means["reconstruction_loss"] + means["kl_loss"]
        if self.regularizer is not None:
            value = weighted_mean("The regularizer", self.regularizer(y_pred), weights)
            strength = loss_weight.weight_at(self, "regularization_strength", step)
            means["regularization_loss"] = strength * value
        penalty = means.get("regularization_loss", 0.0) + sum(penalties)
        loss = means["loss"] = means["loss"] + penalty
        self.total_loss_tracker.update_state(means, ops.sum(weights))
        return backend.before_updates(loss) * share_of_batch(weights)


def _with_rows_that_count(args):
    """Returns the arguments of a step, on JAX a state and else only a batch, with a new batch."""
    *state, batch = args
    batch = keras.utils.unpack_x_y_sample_weight(batch)
    return *state, rows_of_weight_zero.replaced(*batch)
