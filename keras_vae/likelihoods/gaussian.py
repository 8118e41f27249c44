"""Gaussian likelihood with a given, learned or optimal standard deviation."""

import math

import keras
from keras import ops

from keras_vae.distributions.normal import log_density
from keras_vae.likelihoods.base import Likelihood
from keras_vae.likelihoods.optimal_variance import (
    errors_per_row,
    n_values,
    variance_of_bound,
    variance_of_rows,
)
from keras_vae.likelihoods.scale import Units
from keras_vae.likelihoods.statistics import Statistics
from keras_vae.numerics.straight_through import bounded
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_positive

CHOICES = ("learned", "per_feature", "decoder", "optimal")


@serializable(old="Gaussian")
class Gaussian(Likelihood):
    """log p(x|z) = Σ -½((x - μ)/σ)² - log σ - ½ log 2π, in nats, μ from the decoder.

    Args:
        sigma: the standard deviation σ, in the units of x. A small σ asks for
            sharp reconstructions, a large one gives the KL more weight.

            - a positive number: that, for every feature.
            - `"learned"`: one σ, trained with the rest of the model.
            - `"per_feature"`: one trained σ for each feature of the target.
            - `"decoder"`: one for each feature and code. The decoder gives two
              params per feature: all μ, then all log σ², kept in [-20, 10]. Columns
              (of the last axis) of which the first `fit` finds that they do not
              suit this are counted in their own standard deviation from their own mean, by the
              encoder too where x is the target.
            - `"optimal"`: σ² is the mean squared error of the training batch, by
              sample weight, which is what maximizes the likelihood (the σ-VAE);
              of several draws of z, what maximizes the objective's bound. It is
              at least 1e-6. Evaluation and sampling use its mean over the rows
              of the last epoch of `fit`, or of the last call of `train_on_batch`.

    Raises:
        ValueError: if `sigma` is neither a positive number nor one of these.

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes", 2014, equation 12;
        Rybkin, Daniilidis & Levine, "Simple and effective VAE training with
        calibrated decoders", 2021, for `"optimal"`.
    """

    data_scale: float

    def __init__(self, sigma: float | str = 1.0, **kwargs):
        super().__init__(**kwargs)
        if isinstance(sigma, str) and sigma not in CHOICES:
            known = ", ".join(repr(choice) for choice in CHOICES)
            raise ValueError(
                f"sigma must be a positive number or one of {known}; received {sigma!r}."
            )
        self.data_scale = 1.0 if isinstance(sigma, str) else check_positive("sigma", sigma)
        self.sigma = sigma if isinstance(sigma, str) else self.data_scale
        self.params_per_feature = 2 if sigma == "decoder" else 1
        self.units: Units | None = None

    def build(self, input_shape) -> None:
        if self.sigma in ("learned", "per_feature"):
            shape = () if self.sigma == "learned" else input_shape[1:]
            self.log_sigma = self.add_weight(shape, "zeros", name="log_sigma")
        if self.sigma == "decoder":
            self.units = Units(input_shape[-1] or 1)
        if self.sigma == "optimal":
            # Of the batch within a training step, of the epoch otherwise.
            self.variance = self.add_weight(
                (), "ones", name="variance", trainable=False, aggregation="mean"
            )
            self.epoch = Statistics({"error": 0.0, "count": 0.0, "is_open": 0.0})

    def look_at(self, target, is_x=False) -> None:
        super().look_at(target)
        if self.units is not None:
            self.units.look_at(target, self.data_scale, is_x)

    def as_input(self, x) -> Tensor:
        return x if self.units is None else self.units.as_input(x)

    @property
    def adapts(self) -> bool:
        return self.follows_epochs

    @property
    def follows_epochs(self) -> bool:  # type: ignore[override]  # others have a plain attribute
        return self.sigma == "optimal"

    def begin_epoch(self) -> None:
        if self.follows_epochs:
            self.epoch.error.assign(0.0)
            self.epoch.count.assign(0.0)
            self.epoch.is_open.assign(1.0)

    def end_epoch(self) -> None:
        if self.follows_epochs:
            self.epoch.is_open.assign(0.0)

    def update(self, target, params, mask=None, sample_weight=None, bound=None) -> None:
        if self.units is not None:
            self.units.keep()
        if self.sigma != "optimal":
            return
        target, params = ops.cast(target, "float32"), ops.cast(params, "float32")
        weights, error, count = errors_per_row(target, params, mask, sample_weight)
        if bound is None:
            variance = variance_of_rows(weights, error, count)
        else:
            variance = variance_of_bound(weights, error, count, bound)
        # A batch in which nothing was observed says nothing.
        total = n_values(weights, count)
        variance = ops.where(total > 0.0, variance, ops.convert_to_tensor(self.variance))
        variance, total = ops.stop_gradient(variance), ops.stop_gradient(total)
        self.variance.assign(variance)
        epoch = self.epoch
        epoch.error.assign(epoch.is_open * epoch.error + total * variance)
        epoch.count.assign(epoch.is_open * epoch.count + total)

    def end_step(self) -> None:
        if self.sigma == "optimal":
            mean = self.epoch.error / ops.maximum(self.epoch.count, 1e-12)
            variance = ops.convert_to_tensor(self.variance)
            self.variance.assign(ops.where(self.epoch.count > 0.0, mean, variance))

    def log_prob_per_feature(self, target, params) -> Tensor:
        # The optimal σ² is a constant here: at an optimum its own gradient vanishes.
        mean, log_var = self._mean_and_log_var(params)
        log_unit = 0.0
        if self.units is not None:
            target, log_unit = self.units.standardized(target), ops.log(self.units.scale)
        return log_density(target, mean, log_var) - log_unit

    def mean(self, params) -> Tensor:
        return self._restored(self._mean_and_log_var(params)[0])

    def sample(self, params, seed=None) -> Tensor:
        mean, log_var = self._mean_and_log_var(params)
        noise = keras.random.normal(ops.shape(mean), dtype="float32", seed=seed)
        return self._restored(mean + ops.exp(0.5 * log_var) * noise)

    def _restored(self, x):
        return x if self.units is None else self.units.restored(x)

    def _mean_and_log_var(self, params):
        if self.sigma == "decoder":
            mean, log_var = self.split(params)
            return mean, bounded(log_var, -20.0, 10.0)
        mean = ops.cast(params, "float32")
        if self.sigma == "optimal":
            return mean, ops.log(self.variance)
        if isinstance(self.sigma, str):
            return mean, 2.0 * ops.convert_to_tensor(self.log_sigma)
        return mean, ops.convert_to_tensor(2.0 * math.log(self.sigma), "float32")

    def get_config(self) -> dict:
        return {**super().get_config(), "sigma": self.sigma}
