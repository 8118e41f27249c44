"""Masked: a likelihood of what was observed of a target with missing values."""

import keras
import numpy as np
from keras import ops

from keras_vae import likelihoods
from keras_vae.likelihoods.base import Likelihood
from keras_vae.likelihoods.from_function import FromFunction
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


@serializable(old="Masked")
class Masked(Likelihood):
    """log p(x|z) = Σ log p(x_d|z) over the features d that were observed, in nats.

    NaN in the target marks a feature that was not observed: it costs nothing and
    teaches nothing. This assumes that a value is missing at random, whatever it
    would have been. `VAE.impute` fills the holes.

    With the objective `IWAE` the bound is that of Mattei & Frellsen's MIWAE. The
    objective `MIWAE` is not: it has the name from Rainforth et al., 2018, and is the
    mean of several bounds, which says nothing of missing values.

    Args:
        likelihood: the likelihood of the features, a name or a
            `keras_vae.likelihoods.Likelihood`.

    Raises:
        ValueError: if `likelihood` is a `FromFunction`, whose log-likelihood does
            not come apart into features.

    Reference:
        Nazábal et al., "Handling incomplete heterogeneous data using VAEs"
        (HI-VAE), 2020; Mattei & Frellsen, "MIWAE: deep
        generative modelling and imputation of incomplete data sets", 2019.

    Example:
        >>> vae = VAE(encoder, decoder, likelihood=Masked("gaussian"))
    """

    public_name = None
    takes_missing = True

    def __init__(self, likelihood, **kwargs):
        super().__init__(**kwargs)
        self.likelihood = likelihoods.get(likelihood)
        if isinstance(self.likelihood, FromFunction):
            raise ValueError(
                "Masked needs the log-probability of each feature, but a FromFunction gives one "
                "value per sample. Subclass keras_vae.likelihoods.Likelihood instead."
            )

    @property
    def params_per_feature(self) -> int:  # type: ignore[override]  # others have a plain attribute
        return self.likelihood.params_per_feature

    def build(self, input_shape) -> None:
        if not self.likelihood.built:
            self.likelihood.build(input_shape)

    @property
    def can_draw(self) -> bool:
        return self.likelihood.can_draw

    @property
    def comes_apart(self) -> bool:
        return self.likelihood.comes_apart

    @property
    def adapts(self) -> bool:
        return self.likelihood.adapts

    @property
    def takes_exposure(self) -> bool:  # type: ignore[override]  # others have a plain attribute
        return self.likelihood.takes_exposure

    def exposed(self, params, log_exposure, shares) -> Tensor:
        return self.likelihood.exposed(params, log_exposure, shares)

    @property
    def follows_epochs(self) -> bool:  # type: ignore[override]  # others have a plain attribute
        return self.likelihood.follows_epochs

    def begin_epoch(self) -> None:
        self.likelihood.begin_epoch()

    def end_epoch(self) -> None:
        self.likelihood.end_epoch()

    def look_at(self, target, is_x=False) -> None:
        if not np.isnan(target).all():
            self.likelihood.look_at(target, is_x)

    def as_input(self, x) -> Tensor:
        return self.likelihood.as_input(x)

    def as_data(self, mean) -> np.ndarray:
        return self.likelihood.as_data(mean)

    def update(self, target, params, mask=None, sample_weight=None, bound=None) -> None:
        observed = _observed(target, mask)
        options = {"mask": observed, "sample_weight": sample_weight, "bound": bound}
        self.likelihood.adapt(target, params, **options)

    def end_step(self) -> None:
        self.likelihood.end_step()

    def log_prob(self, target, params, mask=None) -> Tensor:
        return self.likelihood.log_prob(target, params, _observed(target, mask))

    def log_prob_of_features(self, target, params, mask=None) -> Tensor:
        return self.likelihood.log_prob_of_features(target, params, _observed(target, mask))

    def mean(self, params) -> Tensor:
        return self.likelihood.mean(params)

    def sample(self, params, seed=None) -> Tensor:
        return self.likelihood.sample(params, seed=seed)

    def check_target(self, target) -> None:
        if np.isinf(target).any():
            raise ValueError("The data has infinite values; NaN marks what was not observed.")
        if not np.isnan(target).all():
            self.likelihood.check_target(target)

    def check_holes(self, missing) -> None:
        self.likelihood.check_holes(missing)

    def check_params(self, params) -> None:
        self.likelihood.check_params(params)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "likelihood": keras.saving.serialize_keras_object(self.likelihood),
        }


def _observed(target, mask):
    observed = ops.logical_not(ops.isnan(ops.cast(target, "float32")))
    return observed if mask is None else ops.logical_and(observed, ops.cast(mask, "bool"))
