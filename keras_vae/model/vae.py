"""VAE: the model that owns the parts and trains them."""

import contextvars
import functools
import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_vae import backend, evaluation, likelihoods, objectives, priors
from keras_vae.backend.second_pass import second_pass
from keras_vae.export import export
from keras_vae.model import draws, frozen
from keras_vae.model.compiled_inference import CompiledInference
from keras_vae.model.connect import (
    check_networks,
    check_parts,
    check_regularizer,
    check_terms,
    connect,
    posterior_class,
)
from keras_vae.numerics.arcs import arcs
from keras_vae.numerics.weighted_mean import weighted_mean
from keras_vae.objectives import loss_weight
from keras_vae.posteriors import DiagonalNormal, Posterior
from keras_vae.saving import random_state
from keras_vae.saving.atomic_write import (
    check_format,
    check_model_name,
    check_weights_name,
    written_beside,
)
from keras_vae.saving.load_model import check_version
from keras_vae.saving.registry import check_classes
from keras_vae.training import checks, device_loop, likelihood_updates
from keras_vae.training.data import has_rows
from keras_vae.training.loss_weight_callbacks import with_loss_weights
from keras_vae.training.row_order import RowOrder
from keras_vae.training.run_options import check_options, check_split
from keras_vae.validation.arguments import is_count, plain
from keras_vae.version import __version__

# Set while a training or test step runs: `call` then gives all that the loss needs.
# A context variable, as replicas of tf.distribute run in threads of their own.
_in_step = contextvars.ContextVar("keras_vae_in_step", default=False)
# The mode of the loss that is computed now, which a VampPrior's second pass needs.
_training = contextvars.ContextVar("keras_vae_training", default=False)


@keras.saving.register_keras_serializable(package="keras_vae")
class VAE(keras.Model):
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

    Call arguments:
        x: data of shape `(batch, *features)`.
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
        **kwargs,
    ):
        # Inputs come as they are: floats are cast where they enter the encoder.
        super().__init__(**{"autocast": False, **kwargs})
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihoods.get(likelihood)
        self.prior = priors.get(prior)
        self.objective = objectives.from_arguments(objective, beta, kl_divergence)
        check_parts(encoder, decoder, self.prior, self.objective)
        check_regularizer(regularizer)
        self.regularizer = regularizer
        self.regularization_strength = regularization_strength
        self.latent_dim = getattr(encoder, "latent_dim", None)
        self.input_features = self.target_features = None
        self.own_target = False  # whether `fit` had a target other than x

        self.total_loss_tracker = keras.metrics.Mean(name="loss")
        self.reconstruction_loss_tracker = keras.metrics.Mean(name="reconstruction_loss")
        self.kl_loss_tracker = keras.metrics.Mean(name="kl_loss")
        self.negative_elbo_tracker = keras.metrics.Mean(name="negative_elbo")
        own_terms = list(getattr(self.objective, "own_terms", ()))
        if regularizer is not None:
            own_terms.append("regularization_loss")
        self.own_trackers = [keras.metrics.Mean(name=name) for name in own_terms]
        counter = {"shape": (), "trainable": False, "aggregation": "only_first_replica"}
        if getattr(self.objective, "needs_step", False):
            # JAX hides the optimizer's own counter from the loss.
            self.training_step = self.add_weight(dtype="int32", name="training_step", **counter)
        if getattr(self.objective, "needs_data_size", False):
            # NaN until `fit` is given an array: no size is better than a wrong one.
            nan = keras.initializers.Constant(float("nan"))
            self.data_size = self.add_weight(initializer=nan, name="data_size", **counter)
        self.loss_weights = loss_weight.LossWeights(self.objective, self)
        # Set before each use, so that estimates disturb no other draw.
        self.evaluation_seed = keras.random.SeedGenerator(0)
        self.compiled_inference = CompiledInference(self)
        self.row_order = RowOrder()
        self.compiled_loops = device_loop.CompiledLoops(self)

    @property
    def beta(self):
        """β of the objective, see `keras_vae.objectives.LossWeight`; `None` where it has none."""
        return getattr(self.objective, "beta", None)

    @beta.setter
    def beta(self, value):
        if self.beta is None:
            raise AttributeError(f"{type(self.objective).__name__} has no beta.")
        self.objective.beta = value

    # Building

    def build(self, input_shape):
        with backend.scope(self):
            self._build(input_shape)

    def _build(self, input_shape):
        self.latent_dim, self.target_features = connect(
            self.encoder, self.decoder, self.likelihood, input_shape
        )
        self.input_features = tuple(input_shape[1:])
        if hasattr(self.prior, "connect"):
            self.prior.connect(self._posterior_again, self.input_features)
        if not self.prior.built:
            self.prior.build((None, self.latent_dim))
        if isinstance(self.likelihood, keras.layers.Layer) and not self.likelihood.built:
            self.likelihood.build((None, *self.target_features))
        if hasattr(self.objective, "build"):
            self.objective.build(self.input_features, self.latent_dim)
            check_networks(self.objective)
            # An attribute of the model, so that it is trained and saved with it.
            self.auxiliary_network = self.objective.network
        self.loss_weights.make((self.objective, self), backend.synchronizer(self))
        random_state.own(self)

    def check_built(self, action: str) -> None:
        """Raises a ValueError if the model has no weights yet."""
        if not self.built:
            raise ValueError(
                f"Cannot {action} yet: the model is not built. Call fit, or "
                "vae.build((None, *shape_of_one_sample))."
            )

    # The forward pass

    def call(self, x, latent=False, training=None):
        training = bool(training)
        if not (latent or _in_step.get()):
            return self.mean_given(self.posterior_mean(x, training), training)
        latents = self._latents(x, training)
        if not _in_step.get():
            mean = self.mean_given(latents["z_mean"], training)
            return {"reconstruction": mean, **latents}
        params = self.params_given(latents["z"], training)
        return {"reconstruction": self.likelihood.mean(params), "params": params, **latents}

    def _latents(self, x, training):
        """Returns the encoder's outputs by name."""
        n_draws = getattr(self.objective, "n_draws", None) if _in_step.get() else None
        draws = {} if n_draws is None else {"n_samples": n_draws}
        names = getattr(self.encoder, "latent_names", ("z_mean", "z_log_var", "z"))
        outputs = self.encoder(self._encoder_input(x), training=training, **draws)
        return dict(zip(names, outputs, strict=True))

    def _encoder_input(self, x):
        """Returns x as the encoder takes it: floats cast, ids and counts as they are."""
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
            return x
        x = ops.cast(x, self.compute_dtype)
        if getattr(self.likelihood, "takes_missing", False):
            x = ops.where(ops.isnan(x), ops.zeros_like(x), x)
        return x

    def posterior_params(self, x, training: bool = False) -> dict:
        """Returns the parameters of q(z|x) by name, as tensors, `z_mean` first."""
        x = self._encoder_input(x)
        if hasattr(self.encoder, "posterior_params"):
            return self.encoder.posterior_params(x, training=training)
        outputs = self.encoder(x, training=training)
        return dict(zip(("z_mean", "z_log_var"), outputs[:2], strict=True))

    def posterior(self, x, training: bool = False) -> Posterior:
        """Returns q(z|x) as a distribution of tensors."""
        return self._posterior_of(self.posterior_params(x, training))

    def _posterior_again(self, x):
        """Returns q(z|x) of more inputs in a step, in the step's mode."""
        params = second_pass(self.encoder, x, training=_training.get(), call=self.posterior_params)
        return self._posterior_of(params)

    def _posterior_of(self, outputs):
        if hasattr(self.encoder, "posterior"):
            return self.encoder.posterior(outputs)
        return DiagonalNormal(outputs["z_mean"], outputs["z_log_var"])

    def posterior_mean(self, x, training: bool = False):
        """Returns the code of x without randomness, the mean of a normal posterior, as a tensor."""
        return self.posterior_params(x, training)["z_mean"]

    def mean_given(self, z, training: bool = False):
        """Returns the mean of p(x|z) as a tensor."""
        return self.likelihood.mean(self.params_given(z, training))

    def params_given(self, z, training: bool = False):
        """Decodes z, of shape (batch, latent_dim) or (n_samples, batch, latent_dim)."""
        return self._decode(functools.partial(self.decoder, training=training), z)

    def _params_again(self, z, training):
        """Decodes more codes in a step."""
        return self._decode(functools.partial(second_pass, self.decoder, training=training), z)

    def _decode(self, decoder, z):
        if len(z.shape) == 2:
            return decoder(z)
        params = decoder(ops.reshape(z, (-1, z.shape[-1])))
        return ops.reshape(params, (*ops.shape(z)[:2], *params.shape[1:]))

    # Training

    def compile(
        self, optimizer="adam", loss=None, jit_compile="auto", device_loop="auto", **kwargs
    ):
        """As `keras.Model.compile`, without a loss: likelihood and objective give it.

        Args:
            optimizer: as for Keras.
            loss: `None`; anything else is an error.
            jit_compile: whether XLA compiles the steps; "auto" takes what is
                faster, see `keras_vae.training.policy`.
            device_loop: whether `fit` and `evaluate` on arrays keep the data on
                the device and make many steps per compiled call, wherever that
                gives what Keras's own loop gives; False for the latter.
                "auto" takes what is faster, and on TensorFlow lets XLA compile
                the steps once there are enough of them to pay for it.
            **kwargs: as for Keras.
        """
        if loss is not None:
            raise ValueError(
                f"A VAE computes its own loss; received loss={loss!r}. Choose it with VAE("
                "likelihood=..., beta=...), and pass what else you want to watch as metrics=[...]."
            )
        backend.move_optimizer(optimizer, self)
        with backend.scope(self):
            super().compile(optimizer, jit_compile=jit_compile, **kwargs)
        self.requested_jit_compile, self.requested_device_loop = jit_compile, device_loop
        self.compiled_loops.clear()
        self.compiled_inference.clear()
        if hasattr(self, "training_step"):
            # As a number: JAX would not train with two variables of one buffer.
            steps = int(ops.convert_to_numpy(self.optimizer.iterations)) * self._batches_per_step()
            self.training_step.assign(steps)

    def get_compile_config(self):
        config = super().get_compile_config()
        if config:
            # The backend that loads the file resolves "auto" for itself.
            config["jit_compile"] = self.requested_jit_compile
            config["device_loop"] = self.requested_device_loop
            config["optimizer"] = backend.portable_config(config["optimizer"])
            if self.optimizer.built:
                config["optimized"] = frozen.optimized(self)
        return config

    def compile_from_config(self, config):
        config = dict(config)
        optimized = config.pop("optimized", None)
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            frozen.build_optimizer(self, optimized)

    def get_build_config(self):
        config = super().get_build_config()
        return config and {
            **config,
            "frozen": frozen.frozen(self),
            "own_target": self.own_target,
        }

    def build_from_config(self, config):
        config = dict(config)
        places = config.pop("frozen", None)
        self.own_target = config.pop("own_target", False)
        super().build_from_config(config)
        frozen.freeze(self, places)

    def fit(self, x=None, y=None, batch_size=None, epochs=1, **kwargs):
        """As `keras.Model.fit`: `fit(x)` reconstructs x, `fit(x, y)` reconstructs y from x."""
        options = check_options({"batch_size": batch_size, "epochs": epochs, **kwargs})
        x, y, weights = self._checked(x, y, options.pop("sample_weight", None), training=True)
        check_split(x, options)
        if hasattr(self, "data_size"):
            split = options.get("validation_split") or 0.0
            self.data_size.assign(checks.data_size(self.objective, x, split, weights))
        if options.get("validation_data") is not None:
            data = checks.check_validation_data(self, options["validation_data"])
            options["validation_data"] = data
        self._warn_of_late_schedules(x, options)
        options["callbacks"] = with_loss_weights(self, options.get("callbacks"))
        options["callbacks"] = likelihood_updates.with_epochs(self, options["callbacks"])
        return device_loop.fit(self, x, y, sample_weight=weights, **options)

    def _warn_of_late_schedules(self, x, options):
        per_epoch = options.get("steps_per_epoch")
        if not hasattr(self, "training_step") or not (per_epoch or has_rows(x)):
            return
        if not per_epoch:
            n = checks.n_training_rows(x, options.get("validation_split") or 0.0)
            per_epoch = math.ceil(n / (options["batch_size"] or 32))
        batches = self._batches_per_step()
        checks.warn_of_late_schedules(
            loss_weight.weights(self.objective),
            int(ops.convert_to_numpy(self.training_step)) // batches,
            (options["epochs"] - options.get("initial_epoch", 0)) * per_epoch // batches,
        )

    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        """As `keras.Model.evaluate`; z is drawn from the posterior."""
        if kwargs.get("_use_cached_eval_dataset"):
            return super().evaluate(x, y, batch_size=batch_size, **kwargs)
        checks.check_data_size(self)
        options = check_options({"batch_size": batch_size, **kwargs})
        x, y, weights = self._checked(x, y, options.pop("sample_weight", None))
        return device_loop.evaluate(self, x, y, sample_weight=weights, **options)

    def train_on_batch(self, *args, **kwargs):
        """As `keras.Model.train_on_batch`."""
        checks.check_data_size(self)
        return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        """As `keras.Model.test_on_batch`; z is drawn from the posterior."""
        checks.check_data_size(self)
        return super().test_on_batch(*args, **kwargs)

    def _checked(self, *data, training=False):
        data = checks.check_data(self, "x", *data, training=training)
        device_loop.build(self, data)
        return data

    def train_step(self, *args):
        return self._run_step(super().train_step, *args)

    def test_step(self, *args):
        return self._run_step(super().test_step, *args)

    def _run_step(self, keras_step, *args):
        token = _in_step.set(True)
        try:
            return keras_step(*args)
        finally:
            _in_step.reset(token)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the loss of a batch, a scalar tensor in nats, and updates the trackers.

        For a training loop of your own: `loss = vae.compute_loss(x)`.

        Args:
            x: data of shape `(batch, *features)`.
            y: the target, where it is not x.
            y_pred: what a step's `call` returned; by default the model is called.
            sample_weight: one weight per sample, or `None`.
            training: whether layers train: drop, add noise, move their statistics.
        """
        if y_pred is None:
            y_pred = self._run_step(functools.partial(self, x, training=training))
        elif "params" not in (y_pred if isinstance(y_pred, dict) else ()):
            raise ValueError(
                "compute_loss needs the latents, which a call of the model outside of a step does "
                "not give. Leave y_pred out: vae.compute_loss(x, y, training=True)."
            )
        # Before any second pass, which would clear them.
        penalties = list(self.losses)
        target = x if y is None else y
        checks.check_target_shape(target.shape[1:], self.target_features)
        weights = ops.ones(ops.shape(target)[:1]) if sample_weight is None else sample_weight
        weights = ops.reshape(ops.cast(weights, "float32"), (-1,))
        total_weight = ops.sum(weights)
        step = self._advance_step(training)
        forward = objectives.Forward(
            x=self._encoder_input(x),
            target=target,
            params=y_pred["params"],
            z=y_pred["z"],
            posterior=self._posterior_of(y_pred),
            prior=self.prior,
            likelihood=self.likelihood,
            sample_weight=weights / ops.maximum(total_weight, 1e-12),
            decode=functools.partial(self._params_again, training=bool(training)),
            step=step,
            data_size=getattr(self, "data_size", None),
            training=bool(training),
        )
        token = _training.set(bool(training))
        try:
            with likelihood_updates.during(training, forward, self.objective, weights):
                terms = self.objective(forward)
        finally:
            _training.reset(token)
        check_terms(self.objective, terms)
        means = {name: weighted_mean(name, term, weights) for name, term in terms.items()}
        means["negative_elbo"] = means["reconstruction_loss"] + means["kl_loss"]
        if self.regularizer is not None:
            value = weighted_mean("The regularizer", self.regularizer(y_pred), weights)
            strength = loss_weight.weight_at(self, "regularization_strength", step)
            means["regularization_loss"] = strength * value
        penalty = means.get("regularization_loss", 0.0) + sum(penalties)
        loss = means["loss"] = means["loss"] + penalty
        trackers = (
            self.total_loss_tracker,
            self.reconstruction_loss_tracker,
            self.kl_loss_tracker,
            self.negative_elbo_tracker,
            *self.own_trackers,
        )
        for tracker in trackers:
            tracker.update_state(means[tracker.name], sample_weight=total_weight)
        return backend.before_updates(loss) / backend.num_replicas()

    def _advance_step(self, training):
        """Returns the number of optimizer steps so far, before counting this one."""
        if not hasattr(self, "training_step"):
            return None
        step = self.training_step // self._batches_per_step()
        if training:
            self.training_step.assign_add(1)
        return step

    def _batches_per_step(self):
        # Under float16 Keras wraps the optimizer that accumulates.
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        return optimizer.gradient_accumulation_steps or 1

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        outputs = y_pred if isinstance(y_pred, dict) else {"reconstruction": y_pred}
        reconstruction = outputs["reconstruction"]
        if "params" in outputs and len(outputs["z"].shape) == 3:
            # One per sample, as the target: the mean over the draws of z.
            reconstruction = ops.mean(reconstruction, axis=0)
        return super().compute_metrics(x, x if y is None else y, reconstruction, sample_weight)

    @property
    def metrics(self):
        # Keras's own tracker of the loss weighs batches by size, ours by sample weights.
        others = [m for m in super().metrics if m.name != "loss"]
        return [self.total_loss_tracker, *others]

    # Use of the trained model

    def encode(
        self, x, batch_size: int = 128, draw: bool = False, seed: int | None = None
    ) -> np.ndarray:
        """Returns the posterior means of x, `(n, latent_dim)`, or a draw of q(z|x) per row.

        Args:
            x: data, `(n, *features)`.
            batch_size: rows per compiled call.
            draw: whether to draw z.
            seed: makes draws repeatable, with the same `batch_size` on the same backend.
        """
        draws.check_seed(draw, seed)
        if draw:
            return draws.encode(self, x, seed, batch_size)
        return self.compiled_inference(
            "encode", self.posterior_mean, x, self.input_features, batch_size
        )

    def encode_distribution(
        self, x, n_samples: int = 1000, seed: int | None = 0, batch_size: int = 128
    ) -> draws.EncodedDistribution:
        """Returns `z_mean`, the standard deviations `z_std` and all parameters of q(z|x).

        Args:
            x: data, `(n, *features)`.
            n_samples: draws per input from which a flow's standard deviations
                are estimated, to 1 / √(2·n_samples) of their size; other
                posteriors know them in closed form.
            seed: of these draws; `None` draws anew.
            batch_size: rows per compiled call, at most.

        Returns:
            A named tuple of `z_mean` and `z_std`, each `(n, latent_dim)`, and
            `params`, a dict of arrays such as `z_mean` and `z_log_var`.
        """
        return draws.encode_distribution(self, x, n_samples, seed, batch_size)

    def decode(
        self, z, batch_size: int = 128, draw: bool = False, seed: int | None = None
    ) -> np.ndarray:
        """Returns the means of p(x|z), `(n, *features)`, or a draw of it per code.

        Args:
            z: codes, `(n, latent_dim)`.
            batch_size: rows per compiled call.
            draw: whether to draw x, with the noise of the likelihood.
            seed: makes draws repeatable, with the same `batch_size` on the same backend.
        """
        draws.check_seed(draw, seed)
        if draw:
            return draws.decode(self, z, seed, batch_size)
        return self.compiled_inference("decode", self.mean_given, z, (self.latent_dim,), batch_size)

    def reconstruct(
        self, x, batch_size: int = 128, draw: bool = False, seed: int | None = None
    ) -> np.ndarray:
        """Returns the means of p(x|z) at the posterior means of x, or draws of it there.

        `decode(encode(x, draw=True), draw=True)` draws z too.

        Args:
            x: data, `(n, *features)`.
            batch_size: rows per compiled call.
            draw: whether to draw the reconstruction, with the noise of the likelihood.
            seed: makes draws repeatable, with the same `batch_size` on the same backend.
        """
        draws.check_seed(draw, seed)
        if draw:
            return draws.reconstruct(self, x, seed, batch_size)
        return self.compiled_inference("reconstruct", self.call, x, self.input_features, batch_size)

    def score(self, x, y=None, batch_size: int = 128) -> np.ndarray:
        """Returns a score of how usual x is, without randomness, `(n,)`, in nats.

        It is log p(x|z) + log p(z) - log q(z|x) at the posterior mean, with the
        KL in place of the last two terms where it has a closed form. Higher is
        more usual. It ranks as the ELBO does, but is no bound: `evaluate` and
        `log_likelihood` draw z.

        Args:
            x: data, `(n, *features)`.
            y: the target, where it is not x. A stream of `(x, y)` brings its own.
            batch_size: rows per compiled call.
        """
        return self.compiled_inference(
            "score",
            self.score_given,
            x,
            self.input_features,
            batch_size,
            y=y,
            target_features=self.target_features,
            check=self._check_target,
        )

    def _check_target(self, x, y=None):
        checks.check_target(self, x, y)
        if y is None:
            checks.warn_of_target(self)

    def score_given(self, x, y=None):
        """Returns `score` of the tensor x, and of the target y where it is not x, as a tensor."""
        target = x if y is None else y
        checks.check_target_shape(target.shape[1:], self.target_features)
        posterior = self.posterior(x)
        z, log_qz = posterior.code_and_log_prob()
        kl = posterior.kl_divergence(self.prior)
        kl = log_qz - self.prior.log_prob(z) if kl is None else kl
        return self.likelihood.log_prob(target, self.params_given(z)) - kl

    def sample(
        self, n: int, seed: int | None = None, batch_size: int = 128, draw: bool = False
    ) -> np.ndarray:
        """Returns the means of p(x|z) at `n` draws of the prior, `(n, *features)`.

        Args:
            n: how many.
            seed: makes draws repeatable, those of x with the same `batch_size`.
            batch_size: rows per compiled call.
            draw: whether to draw x too, with the noise of the likelihood.
        """
        self.check_built("sample")
        if not is_count(n):
            raise ValueError(f"sample needs a number of at least 1; received {n!r}.")
        z = self.prior.sample(int(n), seed=plain(seed))
        return draws.decode(self, z, seed, batch_size) if draw else self.decode(z, batch_size)

    def interpolate(
        self, start, end, n_steps: int = 10, batch_size: int = 128, spherical: bool = False
    ) -> np.ndarray:
        """Decodes the ways between codes of data, both ends included.

        They are straight lines, or the arcs of `keras_vae.numerics.arcs`: on the sphere always.

        Args:
            start, end: data, each `(n, *features)`.
            n_steps: codes on each way.
            batch_size: rows per compiled call.
            spherical: whether to go along arcs, on which the norm changes evenly.

        Returns:
            Shape `(n, n_steps, *features)`.
        """
        z_start, z_end = self.encode(start, batch_size), self.encode(end, batch_size)
        if z_start.shape != z_end.shape:
            raise ValueError(f"start has {len(z_start)} samples, but end has {len(z_end)}.")
        if spherical or self.on_sphere():
            z = arcs(z_start, z_end, n_steps, self.on_sphere())
        else:
            z = np.linspace(z_start, z_end, n_steps, axis=1)
        decoded = self.decode(z.reshape(-1, self.latent_dim), batch_size)
        return decoded.reshape(*z.shape[:2], *decoded.shape[1:])

    def on_sphere(self) -> bool:
        """Returns whether codes are unit vectors, as of a von Mises-Fisher posterior."""
        return posterior_class(self.encoder).support == "sphere"

    # What the trained model is worth

    def log_likelihood(
        self, x, n_samples: int = 5000, y=None, seed: int | None = None, batch_size: int = 100
    ) -> evaluation.LogLikelihood:
        """Estimates log p(x) by importance sampling, see `keras_vae.evaluation.log_likelihood`."""
        return evaluation.log_likelihood(self, x, n_samples, y, seed, batch_size)

    def active_units(self, x, threshold: float = 0.01, batch_size: int = 128) -> int:
        """Counts the latent dimensions in use, see `keras_vae.evaluation.active_units`."""
        return evaluation.active_units(self, x, threshold, batch_size)

    def kl_per_dimension(self, x, batch_size: int = 128) -> np.ndarray:
        """Returns the mean KL of each latent dimension, `(latent_dim,)`, in nats."""
        return evaluation.kl_per_dimension(self, x, batch_size)

    # Files

    def save_own_variables(self, store):
        super().save_own_variables(store)
        random_state.save(self, store)

    def load_own_variables(self, store):
        super().load_own_variables(random_state.load(self, store))

    def save(self, filepath, overwrite=True, **kwargs):
        """As `keras.Model.save`; a save that fails leaves an older file as it was.

        Raises:
            ValueError: if the name does not end in `.keras`, but for `zipped=False` and
                the Hugging Face Hub (`hf://`).
        """
        check_model_name(filepath, kwargs.get("zipped"))
        if not overwrite or not str(filepath).endswith(".keras") or "://" in str(filepath):
            super().save(filepath, overwrite=overwrite, **kwargs)
            return
        if self.built and self.compiled and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)  # as the model that loads will expect
        with written_beside(filepath) as path:
            super().save(path, overwrite=True, **kwargs)

    def save_weights(self, filepath, overwrite=True, **kwargs):
        """As `keras.Model.save_weights`; a save that fails leaves an older file as it was.

        Raises:
            ValueError: if the name of a single file does not end in `.weights.h5`.
        """
        if not overwrite or "://" in str(filepath) or kwargs.get("max_shard_size"):
            super().save_weights(filepath, overwrite=overwrite, **kwargs)
            return
        check_weights_name(filepath)
        with written_beside(filepath) as path:
            super().save_weights(path, overwrite=True)

    def export(
        self,
        filepath,
        format: str = "tf_saved_model",
        endpoint: str = "reconstruct",
        draws: bool = False,
        quantize: str | None = None,
        representative=None,
    ) -> dict[str, float]:
        """Writes the model for serving, without randomness, and checks what it wrote.

        The functions are `reconstruct`, `encode`, `decode` and `score`. A
        SavedModel holds them all, and `sample`, see
        `keras_vae.export.saved_model`; docs/serving.md has the table of what
        each backend can write.

        Args:
            filepath: the folder of a SavedModel; for the other formats a file
                that ends in `.onnx`, `.tflite` or `.pt2`, or else a folder for
                one such file per function.
            format: `"tf_saved_model"`, `"onnx"`, `"litert"` or `"torch"`.
            endpoint: the function that a single file holds.
            draws: whether a SavedModel holds `draw_z` and `draw_x` too, which
                draw from q(z|x) and p(x|z) by a `seed`.
            quantize: for LiteRT from TensorFlow, `"float16"`, `"dynamic"` (8-bit
                weights) or `"int8"` (8-bit activations too); float32 by default.
            representative: rows of data that `"int8"` measures ranges on, and
                what is quantized is compared on; `(x, y)` where `score` takes y.

        Returns:
            The largest difference between what the file and what the model
            computes, by function, in parts of the largest value where that is above 1.

        Raises:
            ValueError: if the model is not built, or a name is unknown.
            RuntimeError: if the backend cannot write the format, or what it
                wrote does not compute what the model does, quantized to within
                0.01 (`"float16"`), 0.1 (`"dynamic"`) or 0.2 (`"int8"`).
            ImportError: if a package that the format needs is not installed.
        """
        return export(self, filepath, format, endpoint, draws, quantize, representative)

    def get_config(self):
        check_format()
        check_classes([self, self.objective, *self._flatten_layers()])
        names = ("encoder", "decoder", "likelihood", "prior", "objective", "regularizer")
        parts = {k: keras.saving.serialize_keras_object(getattr(self, k)) for k in names}
        strength = {
            name: keras.saving.serialize_keras_object(value)
            for name, value in loss_weight.numbers(self).items()
        }
        saved_by = {"keras_vae": __version__, "backend": backend.BACKEND}
        return {**super().get_config(), **parts, **strength, "saved_by": saved_by}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        check_version(config.pop("saved_by")["keras_vae"])
        return cls(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})
