"""Checks of the options of `fit` and `evaluate`, before anything is trained."""

import numbers

from keras_vae.training.checks import n_training_rows
from keras_vae.training.data import has_rows
from keras_vae.validation.arguments import check_count

_COUNTS = (
    "batch_size",
    "epochs",
    "steps_per_epoch",
    "steps",
    "validation_batch_size",
    "validation_steps",
)


def check_options(options: dict) -> dict:
    """Checks the options of `fit` and `evaluate` that Keras would not, or not in a sentence.

    Args:
        options: the arguments, by name.

    Returns:
        The options, counts as plain integers.

    Raises:
        ValueError: if one of them makes no sense.
    """
    options = dict(options)
    if options.get("class_weight") is not None:
        raise ValueError(
            "A VAE has no classes to weigh. Weigh the samples: "
            "sample_weight=np.array([class_weight[label] for label in labels])."
        )
    for name in _COUNTS:
        if options.get(name) is not None:
            options[name] = check_count(name, options[name])
    frequency = options.get("validation_freq")
    if isinstance(frequency, (list, tuple, set)):
        for epoch in frequency:
            check_count("each epoch of validation_freq", epoch)
    elif frequency is not None:
        options["validation_freq"] = check_count("validation_freq", frequency)
    split = options.get("validation_split")
    if split is not None and not (isinstance(split, numbers.Real) and 0.0 <= split < 1.0):
        raise ValueError(
            f"validation_split must be a number from 0 up to, but not including, 1; received "
            f"{split!r}."
        )
    return options


def check_split(x, options: dict) -> None:
    """Raises a ValueError if `validation_split` cannot part x."""
    split = options.get("validation_split")
    if not split or options.get("validation_data") is not None:
        return
    if not has_rows(x):
        raise ValueError(
            "validation_split parts arrays, but x is a stream. Pass another stream as "
            "validation_data."
        )
    n = n_training_rows(x, split)
    if not 0 < n < len(x):
        raise ValueError(
            f"validation_split={split} leaves {n} of {len(x)} samples to train on and "
            f"{len(x) - n} to validate on. Give more data or another split."
        )
