"""Fitting: how a VAE is compiled, trained and evaluated, a mixin."""

import math

from keras import ops

from keras_vae import backend
from keras_vae.backend.keras_internals import CACHED_EVALUATION
from keras_vae.objectives import loss_weight
from keras_vae.training import checks, device_loop, likelihood_updates
from keras_vae.training.data import has_rows
from keras_vae.training.loss_weight_callbacks import with_loss_weights
from keras_vae.training.run_options import check_options, check_split


class Fitting:
    """The methods of a `VAE` that train and evaluate it, as `keras.Model`'s own."""

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
        if kwargs.get(CACHED_EVALUATION):
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
