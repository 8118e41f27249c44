"""Likelihood: the abstract class of every likelihood of the data."""

import abc
import inspect

import numpy as np
from keras import ops

from keras_vae.distributions.base import Distribution
from keras_vae.likelihoods.of_params import OfParams
from keras_vae.likelihoods.scale import warn_of_scale
from keras_vae.numerics.float32_layer import Float32Layer
from keras_vae.numerics.straight_through import tamed
from keras_vae.typing import Tensor


class Likelihood(Float32Layer, abc.ABC):
    """p(x|z), from the raw params that the decoder makes of z: see `distribution`.

    A layer, as it may have weights, such as a learned σ; the VAE builds it with the
    shape of the target. Everything is float32 whatever the dtype policy. To write one,
    inherit, register the class with `keras.saving.register_keras_serializable` so that
    it can be saved, and define

    1. `log_prob_per_feature(target, params)`: log p of each number of the target, of
       its shape; or, where it does not come apart into features, `log_prob`;
    2. `mean(params)`: the expected target, which `reconstruct` and `decode` give;
    3. `sample(params, seed)`, for draws of x: `keras_vae.distributions.seeds.generator`
       makes of the seed what the functions of `keras.random` take;
    4. `params_per_feature`, where it is not 1; `split` parts the params into blocks;
    5. `build(input_shape)`, where it has weights, with the shape of the target; and
       `get_config`, where its constructor takes arguments;
    6. `check_target` and `check_params`, where not every target or decoder will do.

    The smallest example:

        >>> @keras.saving.register_keras_serializable()
        ... class Exponential(Likelihood):
        ...     def log_prob_per_feature(self, target, params):  # params: log of the rate
        ...         return params - ops.exp(params) * target
        ...     def mean(self, params):
        ...         return ops.exp(-ops.cast(params, "float32"))

    Attributes:
        params_per_feature: how many params one feature of the target needs: the
            last axis of the params consists of that many blocks, each of the
            size of the target's last axis.
        takes_missing: whether NaN in the target stands for what was not observed.
        follows_epochs: whether it is to be told of the epochs of `fit`.
        data_scale: the standard deviation of data that it begins well with, if it
            has one.
        can_draw: whether it has draws of x.
        comes_apart: whether log p(x|z) is a sum of terms of the features.
        takes_exposure: whether its means may be multiplied by a number of each row.
    """

    params_per_feature: int = 1
    takes_missing: bool = False
    follows_epochs: bool = False
    data_scale: float | None = None
    takes_exposure: bool = False

    @property
    def can_draw(self) -> bool:
        return type(self).sample is not Likelihood.sample

    @property
    def comes_apart(self) -> bool:
        """Whether log p(x|z) is a sum of terms of the features."""
        return type(self).log_prob_per_feature is not Likelihood.log_prob_per_feature

    @property
    def adapts(self) -> bool:
        """Whether it has weights that follow from the batches: an `update` of its own."""
        return type(self).update is not Likelihood.update

    def log_prob(self, target, params, mask=None) -> Tensor:
        """Returns log p(target | params) in nats, summed over a sample's features.

        Args:
            target: shape `(batch, *features)`.
            params: the decoder's output, `(batch, ...)` or `(n_samples, batch, ...)`.
            mask: true where a feature was observed, of the shape of `target`.
                The others cost nothing and give no gradient, whatever their value.

        Returns:
            Shape `(batch,)` or `(n_samples, batch)`, float32.
        """
        log_prob = self.log_prob_of_features(target, params, mask)
        log_prob = ops.sum(log_prob, axis=tuple(range(1 - len(target.shape), 0)))
        # Of data that does not suit the model, which would otherwise make weights NaN.
        return tamed(log_prob, 1e9)

    def log_prob_of_features(self, target, params, mask=None) -> Tensor:
        """Returns the terms that `log_prob` sums, 0 where masked; its arguments are the same.

        Returns:
            Shape of the target, with the params' samples axis, float32.
        """
        target, params = ops.cast(target, "float32"), ops.cast(params, "float32")
        if mask is None:
            return self.log_prob_per_feature(target, params)
        mask = ops.cast(mask, "bool")
        # Before the log-probability too: a NaN would come back in the gradient. 1/2 lies
        # in the support of positive numbers and of those below 1 as well.
        log_prob = self.log_prob_per_feature(ops.where(mask, target, 0.5), params)
        return ops.where(mask, log_prob, 0.0)

    def log_prob_per_feature(self, target, params) -> Tensor:
        """Returns log p of each feature, of the shape of `target`, with the params' samples axis.

        Args:
            target: float32, `(batch, *features)`; 0.5 where it was not observed.
            params: float32, the decoder's output.
        """
        raise NotImplementedError(f"{type(self).__name__} must define log_prob_per_feature.")

    @abc.abstractmethod
    def mean(self, params) -> Tensor:
        """Returns the expected target, `(batch, *features)` or `(n_samples, batch, *features)`."""

    def sample(self, params, seed=None) -> Tensor:
        """Returns one draw of the target per element of `params`, shaped as the mean.

        Args:
            params: raw params from the decoder.
            seed: an integer, a `keras.random.SeedGenerator` or `None`.
        """
        raise ValueError(
            f"{type(self).__name__} has a log-probability and a mean, but no draws of x. "
            "Subclass keras_vae.likelihoods.Likelihood with a method sample(params, seed), or "
            "take the mean of p(x|z), without draw=True."
        )

    def distribution(self, params) -> Distribution:
        """Returns p(x|z) of the decoder's params, `(batch, ...)`, as a distribution."""
        return OfParams(self, params)

    def update(self, target, params, mask=None, sample_weight=None, bound=None) -> None:
        """Adapts weights that follow from a training batch rather than from a gradient.

        The VAE calls it once per training step, before `log_prob` and with its
        arguments, and `end_step` after the loss. By default there are no such weights.

        Args:
            target: as for `log_prob`.
            params: as for `log_prob`.
            mask: as for `log_prob`.
            sample_weight: weights of the rows, `(batch,)`; `None` for ones.
            bound: with an objective that weights several draws of z, its bound as a
                function of log p(x|z): from `(n_samples, n, batch)` to n values
                of each row, `(n, batch)` or `(n * batch,)`. `None` where draws count alike.
        """
        return  # AutoGraph warns of a body that is empty.

    def adapt(self, target, params, **kwargs) -> None:
        """Calls `update` with those of its arguments that a subclass takes."""
        names = inspect.signature(self.update).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in names.values()):
            kwargs = {name: value for name, value in kwargs.items() if name in names}
        self.update(target, params, **kwargs)

    def end_step(self) -> None:
        """Leaves such weights as evaluation is to use them, at the end of a training step."""
        return

    def begin_epoch(self) -> None:
        """Is called by `fit` before each epoch if the likelihood `follows_epochs`."""
        return

    def end_epoch(self) -> None:
        """Is called by `fit` after each epoch if the likelihood `follows_epochs`."""
        return

    def look_at(self, target: np.ndarray, is_x: bool = False) -> None:
        """Sees the training data, or a part of it, before `fit` trains on it.

        Warns of columns whose scale does not suit the likelihood.

        Args:
            target: rows of the target, `(n, *features)`.
            is_x: whether the encoder gets the same.
        """
        if self.data_scale is not None:
            warn_of_scale(type(self).__name__, target, self.data_scale)

    def as_input(self, x) -> Tensor:
        """Returns x, a tensor of the target's shape, in the units in which it goes to the encoder.

        By default they are the data's own.
        """
        return x

    def as_data(self, mean: np.ndarray) -> np.ndarray:
        """Returns expected targets in the data's coding, which missing values are filled with.

        By default as they are.

        Args:
            mean: means over codes of what `mean` gives, `(n, *features)`.
        """
        return mean

    def exposed(self, params, log_exposure, shares: bool) -> Tensor:
        """Returns params whose means are multiplied by an exposure, where it `takes_exposure`.

        Args:
            params: the decoder's output, `(batch, ...)`.
            log_exposure: log of the exposure, `(batch,)`.
            shares: whether the means are shares before, which sum to 1.
        """
        raise NotImplementedError

    def split(self, params) -> list[Tensor]:
        """Returns the `params_per_feature` blocks of the params, each shaped as the target."""
        params = ops.cast(params, "float32")
        if self.params_per_feature == 1:
            return [params]  # PyTorch's converter to LiteRT knows no split into one
        return ops.split(params, self.params_per_feature, axis=-1)

    def check_target(self, target: np.ndarray) -> None:
        """Raises a ValueError if `target` lies outside the support."""

    def check_holes(self, missing: np.ndarray) -> None:
        """Raises a ValueError if values are missing that cannot be without others.

        Args:
            missing: whether each value is, of the target's shape.
        """

    def check_params(self, params: np.ndarray) -> None:
        """Raises a ValueError if `params` of random codes cannot be what `log_prob` expects."""


def check_unit_interval(name: str, target: np.ndarray) -> None:
    """Raises a ValueError if `target` leaves [0, 1]; NaN passes."""
    low, high = target.min(), target.max()
    if np.isnan(low):  # slower, and only for data that is not all observed
        low, high = np.nanmin(target), np.nanmax(target)
    if low < 0 or high > 1:
        hint = 'x.astype("float32") / 255 scales 8-bit images' if high > 1 else "scale the data"
        raise ValueError(
            f"{name} needs values in [0, 1]; the data goes from {low:.6g} to {high:.6g}. "
            f'To mend it, {hint}; for real-valued data use likelihood="gaussian".'
        )


def check_logits_or_probabilities(name: str, params: np.ndarray, from_logits: bool) -> None:
    """Raises a ValueError if `params` look like probabilities under logits, or the reverse."""
    in_unit_interval = params.min() >= 0.0 and params.max() <= 1.0
    if from_logits and in_unit_interval and np.ptp(params) > 0.0:
        raise ValueError(
            f"{name} expects logits, but the decoder gives values in [0, 1] whatever its input: "
            "it seems to end in a sigmoid or softmax. Remove that activation, or use "
            f"keras_vae.likelihoods.{name}(from_logits=False)."
        )
    if not from_logits and not in_unit_interval:
        raise ValueError(
            f"{name}(from_logits=False) expects probabilities, but the decoder gives values from "
            f"{params.min():.3g} to {params.max():.3g}. End the decoder in a sigmoid or softmax, "
            "or use from_logits=True."
        )
