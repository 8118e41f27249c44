"""Checks of what users pass to a VAE, before anything is trained on it."""

import math
import warnings

import keras
import numpy as np
from keras import ops

from keras_vae.networks.stack import Stack
from keras_vae.schedules import last_change
from keras_vae.training import data, likelihood_updates, streams
from keras_vae.training.lazy_rows import LazyRows, SparseRows
from keras_vae.validation.shapes import matches

_MAX_FLOAT16 = 65504.0
# Of data that is read by batches.
_FIRST_ROWS = 1024


def check_array(
    name: str, array: np.ndarray, shape=None, allow_nan: bool = False, compute_dtype: str = ""
) -> None:
    """Says what is wrong with an array, if anything is.

    Args:
        name: what it is called in errors.
        array: the array.
        shape: expected shape of one sample, `None` for sizes that are free.
        allow_nan: whether NaN stands for what was not observed.
        compute_dtype: what floats will be cast to.

    Raises:
        ValueError: if it is not numeric, is empty, has no feature axis, has NaN
            or infinite values or such as float16 cannot hold, or its samples
            are not of `shape`.
    """
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold numbers; its dtype is {array.dtype}.")
    if array.ndim and not len(array):
        raise ValueError(f"{name} is empty: its shape is {array.shape}.")
    if array.ndim < 2:
        raise ValueError(
            f"{name} has shape {array.shape}, but needs an axis of samples and at least one of "
            "features. With x for these data, one sample is x[None]; samples of one feature are "
            "x[:, None]."
        )
    if shape is not None and not matches(array.shape[1:], shape):
        raise ValueError(
            f"{name} has samples of shape {array.shape[1:]}; the model was built for {shape}."
        )
    _check_values(name, array, allow_nan, compute_dtype)


def _check_values(name, array, allow_nan, compute_dtype):
    if array.dtype.kind != "f" or not array.size:
        return
    low, high = array.min(), array.max()
    if allow_nan and np.isnan(low):  # slower, and only for data that is not all observed
        low, high = (np.nanmin(array), np.nanmax(array)) if not np.isnan(array).all() else (0, 0)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(
            f"{name} has NaN or infinite values. With x for these data, find them with "
            "np.argwhere(~np.isfinite(x)). Where NaN means not observed, use "
            "likelihood=keras_vae.likelihoods.Masked(...)."
        )
    if compute_dtype == "float16":
        check_float16(name, low, high)


def check_float16(name: str, low, high) -> None:
    """Raises a ValueError if float16 cannot hold numbers from `low` to `high`."""
    if max(-low, high) > _MAX_FLOAT16:
        raise ValueError(
            f"{name} has values from {low:.6g} to {high:.6g}, but the model computes in float16, "
            f"whose largest value is {_MAX_FLOAT16:.0f}. Scale the data, or use the policy "
            '"mixed_bfloat16".'
        )


def check_whole_numbers(name: str, array: np.ndarray, encoder) -> None:
    """Raises a ValueError if whole numbers overflow where the encoder's network casts them.

    The networks of the package cast. Of others it is not known: they may take ids.
    """
    network = getattr(encoder, "network", None)
    if (
        array.dtype.kind in "iu"
        and array.size
        and isinstance(network, Stack)
        and network.compute_dtype == "float16"
    ):
        check_float16(name, int(array.min()), int(array.max()))


def padded(batch: np.ndarray, size: int) -> np.ndarray:
    """Returns `batch` with its first row repeated up to `size` rows."""
    if len(batch) == size:
        return batch
    return np.concatenate([batch, np.repeat(batch[:1], size - len(batch), axis=0)])


def check_sample_weight(weights: np.ndarray, n: int) -> None:
    """Raises a ValueError if the weights are not `n` finite numbers of at least 0."""
    if weights.shape not in ((n,), (n, 1)):
        raise ValueError(
            f"sample_weight must hold one weight per sample, shape ({n},); received shape "
            f"{weights.shape}."
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError("sample_weight must be finite and not negative.")


def check_target_shape(shape, expected) -> None:
    """Raises a ValueError if targets are not of the shape that the decoder gives."""
    if not matches(shape, expected):
        raise ValueError(
            f"The target's samples have shape {tuple(shape)}, but the decoder's output stands for "
            f"samples of shape {tuple(expected)}. Give the decoder that output shape or reshape "
            "the data. The target is y in fit(x, y) and x in fit(x); class labels are no target: "
            "leave them out."
        )


def check_target(vae, x, y=None) -> None:
    """Raises a ValueError if the target, y or else x, does not suit the model."""
    target = x if y is None else y
    check_target_shape(target.shape[1:], vae.target_features)
    if hasattr(vae.likelihood, "check_target"):
        vae.likelihood.check_target(target)


def warn_of_target(vae) -> None:
    """Warns where x stands in for the target, but `fit` had a target of its own."""
    if vae.own_target:
        warnings.warn(
            "x is taken for the target, but the model was trained on a target of its own: pass it "
            "as y.",
            stacklevel=3,
        )


def check_data(vae, name: str, x, y=None, sample_weight=None, training: bool = False) -> tuple:
    """Checks what a VAE is to be trained or evaluated on, and builds it if need be.

    Arrays are checked whole; streams, and what is read by batches, by their first batch.

    Args:
        vae: the VAE.
        name: what x is called in errors.
        x: data in any form that `keras_vae.training.data` reads, or a stream of
            `x`, `(x, y)` or `(x, y, sample_weight)`.
        y: the target, or `None` where it is x.
        sample_weight: one weight per sample, or `None`.
        training: whether the model is to learn this target; it remembers whether
            that is another than x, and its likelihood looks at it.

    Returns:
        `(x, y, sample_weight)` to hand to Keras.

    Raises:
        ValueError: if anything in the data does not suit the model.
        TypeError: if x is in none of the forms.
    """
    y_is_x = y is x
    x, weights = data.as_data(name, x), data.as_data("sample_weight", sample_weight)
    y = x if y_is_x else data.as_data(f"the target of {name}", y)
    if data.has_rows(x):
        _check_rows(name, x, y, weights)
        first_x = _looked_at(x)
        batch = (first_x, first_x if y is x else _looked_at(y), weights)
        # Keras drops the weights of data that has no target.
        y = x if y is None and weights is not None else y
    else:
        for given, what in ((y, "y"), (weights, "sample_weight")):
            if given is not None:
                raise ValueError(
                    f"{name} is a stream, which brings its own {what}: let its batches be (x, y) "
                    f"or (x, y, sample_weight), and pass no {what}."
                )
        batch, x = streams.first_batch(name, x)
    batch_x, batch_y, batch_weights = batch

    missing = getattr(vae.likelihood, "takes_missing", False)
    check_array(name, batch_x, vae.input_features, missing, vae.compute_dtype)
    if not vae.built:
        vae.build((None, *batch_x.shape[1:]))
    check_whole_numbers(name, batch_x, vae.encoder)
    own_target = not (batch_y is None or batch_y is batch_x)
    if own_target:
        check_target_shape(batch_y.shape[1:], vae.target_features)
        check_array(f"the target of {name}", batch_y, allow_nan=missing)
    if training:
        vae.own_target = own_target and not _equal(batch_x, batch_y)
    elif batch_y is None:
        warn_of_target(vae)
    check_target(vae, batch_x, batch_y)
    if batch_weights is not None:
        check_sample_weight(batch_weights, len(batch_x))
    for array in (x, y):
        if isinstance(array, SparseRows):
            _check_values(name, array.values, missing, vae.compute_dtype)
            check_whole_numbers(name, array.values, vae.encoder)
    if training:
        target = batch_x if batch_y is None else batch_y
        likelihood_updates.look_at(vae.likelihood, target, batch_weights)
    return x, y, weights


def _looked_at(data):
    return data[:_FIRST_ROWS] if isinstance(data, LazyRows) else data


def _check_rows(name, x, y, weights):
    if not (y is None or data.has_rows(y)):
        raise ValueError(f"The target of {name} must be an array of its rows, not a stream.")
    if not (weights is None or isinstance(weights, np.ndarray)):
        raise ValueError("sample_weight must be an array.")
    # What is empty is named as such.
    if y is not None and x.shape and y.shape and len(x) != len(y) > 0:
        raise ValueError(f"{name} has {len(x)} samples, but its target has {len(y)}.")


def _equal(x, y):
    return x.shape == y.shape and np.array_equal(x, y, equal_nan=True)


def data_size(objective, x, validation_split: float, sample_weight=None) -> int:
    """Returns the number of training samples in x, without those of weight zero.

    Raises:
        ValueError: if x is a stream, whose size is unknown.
    """
    if not data.has_rows(x):
        raise ValueError(
            f"{type(objective).__name__} needs to know how many samples the data has, and a "
            "stream does not say. Give it the number: "
            f"keras_vae.objectives.{type(objective).__name__}(data_size=...)."
        )
    n_rows = n_training_rows(x, validation_split)
    if sample_weight is None:
        return n_rows
    return int(np.count_nonzero(ops.convert_to_numpy(sample_weight)[:n_rows]))


def check_data_size(vae) -> None:
    """Raises a ValueError if the objective needs the size of the data, which no `fit` has said."""
    if hasattr(vae, "data_size") and np.isnan(ops.convert_to_numpy(vae.data_size)):
        name = type(vae.objective).__name__
        raise ValueError(
            f"{name} needs to know how many samples the data has, which fit on an array says. "
            f"Call fit first, or give the number: keras_vae.objectives.{name}(data_size=...)."
        )


def n_training_rows(x, validation_split: float) -> int:
    """Returns how many of the first rows of x are not for validation."""
    return math.floor(len(x) * (1.0 - validation_split))


def check_validation_data(vae, validation_data) -> tuple:
    """Checks `validation_data` in any form that Keras takes; returns `(x, y, sample_weight)`."""
    parts = tuple(validation_data) if isinstance(validation_data, list) else validation_data
    parts = keras.utils.unpack_x_y_sample_weight(parts)
    return check_data(vae, "the validation x", *parts)


def warn_of_late_schedules(weights: dict, first_step: int, n_steps: int) -> None:
    """Says in one line which weights of the loss a run ends too early for.

    Args:
        weights: the weights by name.
        first_step: the optimizer's steps before the run.
        n_steps: those of the run.
    """
    last_step, late = first_step + n_steps, []
    for name, weight in weights.items():
        if isinstance(weight, keras.optimizers.schedules.LearningRateSchedule):
            end = last_change(weight)
            if end is not None and end > last_step:
                value = float(ops.convert_to_numpy(weight(last_step)))
                late.append(f"{name} changes until step {end:,} and is {value:.4g} then")
    if late:
        warnings.warn(
            f"This run ends at step {last_step:,}, but {' and '.join(late)}. Train longer, or give "
            "the schedule fewer steps.",
            stacklevel=4,
        )
