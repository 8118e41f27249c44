"""Checks of arrays that users pass, before anything is computed on them."""

import numpy as np

from keras_vae.validation.shapes import matches

_MAX_FLOAT16 = 65504.0


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
    check_values(name, array, allow_nan, compute_dtype)


def check_values(name, array, allow_nan, compute_dtype) -> None:
    """Raises a ValueError for floats that are not finite, or overflow in `compute_dtype`."""
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


def check_whole_numbers(name: str, array: np.ndarray, cast_to: str | None) -> None:
    """Raises a ValueError if whole numbers overflow in the dtype that they are cast to.

    Args:
        name: what the array is called in errors.
        array: the array.
        cast_to: that dtype, or `None` where it is not known, as they may be ids.
    """
    if array.dtype.kind in "iu" and array.size and cast_to == "float16":
        check_float16(name, int(array.min()), int(array.max()))


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
