"""Checks of what users pass to a VAE, before anything is trained on it."""

import copy
import functools
import itertools
import math
import warnings

import keras
import numpy as np
from keras import ops

from keras_vae.schedules import last_change
from keras_vae.shapes import matches


def is_array(data) -> bool:
    """Returns whether `data` is an array or tensor, not a stream of batches."""
    return hasattr(data, "shape") and hasattr(data, "dtype")


def in_memory(data) -> bool:
    """Returns whether `data` is an array that lies in memory, not in a file mapped to it."""
    return is_array(data) and not isinstance(data, np.memmap)


def first_batch(name: str, data):
    """Looks at the first batch of a stream of batches.

    Args:
        name: what the stream is called in errors.
        data: a tf.data.Dataset, `keras.utils.PyDataset`, torch DataLoader or generator.

    Returns:
        The batch, and the stream to hand to Keras, which still begins with it.

    Raises:
        ValueError: if the stream is empty.
        TypeError: if `data` is none of these.
    """
    if isinstance(data, (list, tuple, dict)):
        raise TypeError(
            f"{name} must be one array, or a dataset, generator or loader of batches; received a "
            f"{type(data).__name__}. For a list of samples pass np.stack(samples)."
        )
    try:
        if hasattr(data, "take"):
            return next(iter(data.take(1))), data
        if hasattr(data, "__getitem__"):
            return data[0], data
        iterator = iter(data)
        batch = next(iterator)
    except (StopIteration, IndexError):
        raise ValueError(f"{name} is empty: it has no batch.") from None
    except TypeError:
        raise TypeError(
            f"{name} must be an array, or a dataset, generator or loader of batches; received "
            f"{data!r}."
        ) from None
    bare = not isinstance(batch, (list, tuple))
    if iterator is data:
        # Keras takes generators of tuples only.
        batches = itertools.chain([batch], iterator)
        return batch, ((rows,) if bare else rows for rows in batches)
    if bare and hasattr(data, "collate_fn"):
        # Keras takes a bare tensor of a torch DataLoader for a tuple of its rows.
        data = copy.copy(data)
        data.collate_fn = functools.partial(_collate_to_tuple, data.collate_fn)
    return batch, data


def _collate_to_tuple(collate, samples):
    return (collate(samples),)


def check_array(name: str, array, shape=None, allow_nan: bool = False) -> np.ndarray:
    """Returns `array` as NumPy, or says what is wrong with it.

    Args:
        name: what it is called in errors.
        array: any array or tensor.
        shape: expected shape of one sample, `None` for sizes that are free.
        allow_nan: whether NaN stands for what was not observed.

    Raises:
        ValueError: if it is not numeric, is empty, has no feature axis, has NaN
            or infinite values, or its samples are not of `shape`.
    """
    if not isinstance(array, np.ndarray):
        array = ops.convert_to_numpy(array)
    if array.dtype.kind in "OUSMm":
        raise ValueError(f"{name} must hold numbers; its dtype is {array.dtype}.")
    if array.ndim and not len(array):
        raise ValueError(f"{name} is empty: its shape is {array.shape}.")
    if array.ndim < 2:
        raise ValueError(
            f"{name} has shape {array.shape}, but needs an axis of samples and at least one of "
            f"features. One sample is {name}[None]; samples of one feature are {name}[:, None]."
        )
    if shape is not None and not matches(array.shape[1:], shape):
        raise ValueError(
            f"{name} has samples of shape {array.shape[1:]}; the model was built for {shape}."
        )
    low, high = (np.nanmin(array), np.nanmax(array)) if allow_nan else (array.min(), array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(
            f"{name} has NaN or infinite values. Find them with np.argwhere(~np.isfinite({name})). "
            "Where NaN means not observed, use likelihood=keras_vae.likelihoods.Masked(...)."
        )
    return array


def padded(batch: np.ndarray, size: int) -> np.ndarray:
    """Returns `batch` with its first row repeated up to `size` rows."""
    if len(batch) == size:
        return batch
    return np.concatenate([batch, np.repeat(batch[:1], size - len(batch), axis=0)])


def check_sample_weight(sample_weight, n: int) -> None:
    """Raises a ValueError if the weights are not `n` finite numbers of at least 0."""
    weights = np.asarray(ops.convert_to_numpy(sample_weight))
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


def check_data(vae, name: str, x, y, sample_weight):
    """Checks what a VAE is to be trained or evaluated on, and builds it if need be.

    Arrays are checked whole, streams by their first batch.

    Args:
        vae: the VAE.
        name: what x is called in errors.
        x: an array, or a stream of `x`, `(x, y)` or `(x, y, sample_weight)`.
        y: the target, or `None` where it is x.
        sample_weight: one weight per sample, or `None`.

    Returns:
        `(x, y)` to hand to Keras.

    Raises:
        ValueError: if anything in the data does not suit the model.
        TypeError: if x is neither an array nor a stream.
    """
    x, y = (data.to_numpy() if hasattr(data, "to_numpy") else data for data in (x, y))
    if is_array(x):
        # Keras drops the weights of data that has no target.
        y = x if y is None and sample_weight is not None else y
        batch_x, batch_y, weights = x, y, sample_weight
    else:
        batch, x = first_batch(name, x)
        batch_x, batch_y, weights = keras.utils.unpack_x_y_sample_weight(batch)

    missing = getattr(vae.likelihood, "takes_missing", False)
    batch_x = check_array(name, batch_x, vae.input_features, missing)
    if batch_y is None or batch_y is x:
        target_name, target = name, batch_x
    else:
        target_name = f"the target of {name}"
        target = ops.convert_to_numpy(batch_y)
    if not vae.built:
        vae.build((None, *batch_x.shape[1:]))
    check_target_shape(target.shape[1:], vae.target_features)
    if target is not batch_x:
        check_array(target_name, target, allow_nan=missing)
    if hasattr(vae.likelihood, "check_target"):
        vae.likelihood.check_target(target)
    if weights is not None:
        check_sample_weight(weights, len(batch_x))
    return x, y


def data_size(objective, x, validation_split: float) -> int:
    """Returns the number of training samples in x.

    Raises:
        ValueError: if x is a stream, whose size is unknown.
    """
    if not is_array(x):
        raise ValueError(
            f"{type(objective).__name__} needs to know how many samples the data has, and a "
            "stream does not say. Give it the number: "
            f"keras_vae.objectives.{type(objective).__name__}(data_size=...)."
        )
    return n_training_rows(x, validation_split)


def n_training_rows(x, validation_split: float) -> int:
    """Returns how many of the first rows of x are not for validation."""
    return math.floor(len(x) * (1.0 - validation_split))


def check_validation_data(vae, data) -> tuple:
    """Checks `validation_data` in any form that Keras takes; returns `(x, y, sample_weight)`."""
    data = tuple(data) if isinstance(data, list) else data
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    return *check_data(vae, "the validation x", x, y, sample_weight), sample_weight


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
