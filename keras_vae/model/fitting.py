"""Fitting: how a VAE is compiled, trained and evaluated."""

import dataclasses
import math

import keras
from keras import ops

from keras_vae import backend, encoders
from keras_vae.backend.keras_internals import CACHED_EVALUATION, has_compiled_metrics
from keras_vae.model.flow import Flow
from keras_vae.model.frozen import inner_optimizer
from keras_vae.reading.batch import with_beside
from keras_vae.schedules import warn_of_late_schedules
from keras_vae.training import likelihood_updates, loops
from keras_vae.training.data import TrainingData, warn_of_target
from keras_vae.training.data import validation_data as read_validation_data
from keras_vae.training.fit_plan import FitPlan, refuse_class_weight
from keras_vae.training.loss_weight_callbacks import with_loss_weights
from keras_vae.training.processes import with_chief
from keras_vae.training.shares import n_rows_of_all
from keras_vae.validation.arguments import check_count


class Fitting(Flow):
    """The methods of a `VAE` that train and evaluate it, as `keras.Model`'s own."""

    def compile(
        self, optimizer="adam", loss=None, jit_compile="auto", device_loop="auto", **kwargs
    ) -> None:
        """As `keras.Model.compile`, without a loss: likelihood and objective give it.

        Args:
            optimizer: as for Keras.
            loss: `None`; anything else is an error.
            jit_compile: whether XLA compiles the steps; "auto" takes what is
                faster, see `keras_vae.training.policy`.
            device_loop: whether `fit` and `evaluate` make many steps per compiled
                call, over arrays that lie on the device or chunks of a stream,
                wherever that gives what Keras's own loop gives; False for the latter.
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
        if self.training_step is not None:
            # As a number: JAX would not train with two variables of one buffer.
            steps = int(ops.convert_to_numpy(self.optimizer.iterations)) * self._batches_per_step()
            self.training_step.assign(steps)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
        condition=None,
        labels=None,
        labelled_per_batch=None,
    ) -> keras.callbacks.History:
        """As `keras.Model.fit`: `fit(x)` reconstructs x, `fit(x, y)` reconstructs y from x.

        What is given beside x may stand with it in a dict too, `{"x": ..., "condition": ...}`,
        as it does in streams and in `validation_data`.

        `condition` is what is given beside each row of x, as the model's condition reads it, a
        dict by name of several. `labels` are the classes of the rows, -1, NaN or `None` where
        unknown, for an objective that learns from them; `labelled_per_batch` is how many of
        each batch are labelled, which then come as often as that takes, where it is not chance.
        """
        refuse_class_weight(class_weight)
        plan = FitPlan(
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
            labelled_per_batch=labelled_per_batch,
        )
        data = TrainingData.from_user(
            "x", x, y, sample_weight, condition, labels, self.beside(), learn=True
        )
        plan.check_balance(data)
        data = self._checked(data, training=True)
        plan.check_split(data)
        if self.data_size is not None:
            n_rows = self._n_rows_that_count(data, plan.validation_split)
            self.data_size.assign(n_rows_of_all(self, data, n_rows))
        if validation_data is not None:
            validation_data = read_validation_data(validation_data, self.beside())
            validation_data = self._checked(validation_data)
        self._warn_of_late_schedules(data, plan)
        callbacks = with_loss_weights(self, with_chief(self, callbacks))
        callbacks = likelihood_updates.with_epochs(self, callbacks)
        plan = dataclasses.replace(plan, validation_data=validation_data, callbacks=callbacks)
        return loops.fit(self, data, plan)

    def _n_rows_that_count(self, data, validation_split):
        if not data.has_rows:
            name = type(self.objective).__name__
            raise ValueError(
                f"{name} needs to know how many samples the data has, and a stream does not say. "
                f"Give it the number: keras_vae.objectives.{name}(data_size=...)."
            )
        return data.n_rows_that_count(validation_split)

    def _warn_of_late_schedules(self, data, plan):
        per_epoch = plan.steps_per_epoch
        if self.training_step is None or not (per_epoch or data.has_rows):
            return
        if not per_epoch:
            n_rows = data.n_training_rows(plan.validation_split)
            per_epoch = math.ceil(n_rows / plan.rows_per_step)
        batches = self._batches_per_step()
        warn_of_late_schedules(
            self.objective.logged_weights(),
            int(ops.convert_to_numpy(self.training_step)) // batches,
            (plan.epochs - plan.initial_epoch) * per_epoch // batches,
        )

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        condition=None,
        labels=None,
        **kwargs,
    ) -> float | list | dict:
        """As `keras.Model.evaluate`; z is drawn from the posterior. The last two as for `fit`."""
        if kwargs.get(CACHED_EVALUATION):  # called by Keras's own `fit`
            options = {"verbose": verbose, "callbacks": callbacks, "return_dict": return_dict}
            options |= {"sample_weight": sample_weight, "steps": steps, **kwargs}
            return super().evaluate(x, y, batch_size, **options)
        if kwargs:
            raise TypeError(f"evaluate has no argument {next(iter(kwargs))!r}.")
        self.check_data_size()
        steps = None if steps is None else check_count("steps", steps)
        plan = FitPlan(
            batch_size=batch_size, verbose=verbose, callbacks=callbacks, validation_steps=steps
        )
        data = TrainingData.from_user("x", x, y, sample_weight, condition, labels, self.beside())
        data = self._checked(data)
        return loops.evaluate(self, data, plan, return_dict)

    def train_on_batch(self, *args, **kwargs) -> float | list | dict:
        """As `keras.Model.train_on_batch`."""
        self.check_data_size()
        return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs) -> float | list | dict:
        """As `keras.Model.test_on_batch`; z is drawn from the posterior."""
        self.check_data_size()
        return super().test_on_batch(*args, **kwargs)

    def _checked(self, data, training=False):
        """Builds the model if need be; returns the data, which suits it."""
        allow_nan = self.likelihood.takes_missing
        data.check_inputs(self.input_features, allow_nan, self.compute_dtype)
        if not self.built:
            beside = {name: rows for name, rows in data.first.beside.items() if name != "labels"}
            inputs = with_beside(data.first.x, beside)
            self.build(keras.tree.map_structure(lambda a: (None, *a.shape[1:]), inputs))
        data.check_whole_numbers(self.dtype_of_whole_numbers)
        data.check_target(self.target_features, self.likelihood, allow_nan)
        if training:
            self._check_metrics()
            self.own_target = data.has_own_target()
            weights = data.first.sample_weight
            is_x = not self.own_target
            likelihood_updates.look_at(self.likelihood, data.target, weights, is_x)
            self.beside().look_at(data.first.beside)
        elif data.first.y is None and self.own_target:
            warn_of_target()
        loops.build(self, data)
        return data

    def _check_metrics(self):
        if self.goes_through_classes and self.compiled and has_compiled_metrics(self):
            raise ValueError(
                f"{type(self.objective).__name__} has a reconstruction of each row for every "
                "class, which compiled metrics cannot compare with one target. Compile without "
                "metrics, and judge vae.reconstruct(x, condition=...) instead."
            )

    @property
    def dtype_of_whole_numbers(self) -> str | None:
        """What the encoder casts whole numbers to, `None` where that is not known."""
        casts = encoders.get(self.encoder).casts_whole_numbers
        return self.compute_dtype if casts else None

    def check_data_size(self) -> None:
        """Raises a ValueError if the objective needs the size of the data, which is not known."""
        if self.data_size is not None and not ops.convert_to_numpy(self.data_size) > 0.0:
            name = type(self.objective).__name__
            raise ValueError(
                f"{name} needs to know how many samples the data has, which fit on an array says. "
                f"Call fit first, or give the number: keras_vae.objectives.{name}(data_size=...)."
            )

    def _advance_step(self, training):
        """Returns the number of optimizer steps so far, before counting this one."""
        if self.training_step is None:
            return None
        step = self.training_step // self._batches_per_step()
        if training:
            self.training_step.assign_add(1)
        return step

    def _batches_per_step(self):
        return inner_optimizer(self.optimizer).gradient_accumulation_steps or 1

    def compute_metrics(self, x, y, y_pred, sample_weight=None) -> dict:
        outputs = y_pred if isinstance(y_pred, dict) else {"reconstruction": y_pred}
        reconstruction = outputs["reconstruction"]
        if "params" in outputs and len(outputs["z"].shape) == 2 + len(self.latent_shape):
            # One per sample, as the target: the mean over the draws of z.
            reconstruction = ops.mean(reconstruction, axis=0)
        return super().compute_metrics(x, x if y is None else y, reconstruction, sample_weight)

    def get_metrics_result(self) -> dict:
        with backend.metrics_of_all(self.metrics_variables):
            return super().get_metrics_result()

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        # Keras's own tracker of the loss weighs batches by size, ours by sample weights.
        others = [m for m in super().metrics if m.name != "loss"]
        return [self.total_loss_tracker, *others]
