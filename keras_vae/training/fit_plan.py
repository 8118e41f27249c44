"""FitPlan: the options of a run of `fit`, checked before anything is trained."""

import numbers
from dataclasses import dataclass, fields
from typing import Any

from keras_vae.training.data import TrainingData
from keras_vae.validation.arguments import check_count

_COUNTS = (
    "batch_size",
    "epochs",
    "steps_per_epoch",
    "validation_batch_size",
    "validation_steps",
    "labelled_per_batch",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class FitPlan:
    """The arguments of `VAE.fit`, beside the data, as plain numbers.

    Raises:
        ValueError: if one of them makes no sense.
    """

    batch_size: int | None = None
    epochs: int = 1
    verbose: Any = "auto"
    callbacks: Any = None
    validation_split: float = 0.0
    validation_data: Any = None
    shuffle: Any = True
    initial_epoch: int = 0
    steps_per_epoch: int | None = None
    validation_steps: int | None = None
    validation_batch_size: int | None = None
    validation_freq: Any = 1
    labelled_per_batch: int | None = None

    def __post_init__(self):
        for name in _COUNTS:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, check_count(name, getattr(self, name)))
        frequency = self.validation_freq
        if isinstance(frequency, (list, tuple, set)):
            for epoch in frequency:
                check_count("each epoch of validation_freq", epoch)
        else:
            object.__setattr__(self, "validation_freq", check_count("validation_freq", frequency))
        split = self.validation_split or 0.0
        if not (isinstance(split, numbers.Real) and 0.0 <= float(split) < 1.0):
            raise ValueError(
                "validation_split must be a number from 0 up to, but not including, 1; received "
                f"{split!r}."
            )
        object.__setattr__(self, "validation_split", split)

    @property
    def rows_per_step(self) -> int:
        """The size of a training batch of arrays."""
        return self.batch_size or 32

    @property
    def rows_per_validation_step(self) -> int:
        """The size of a validation batch of arrays."""
        return self.validation_batch_size or self.rows_per_step

    @property
    def splits(self) -> bool:
        """Whether rows of the training data are for validation."""
        return bool(self.validation_split) and self.validation_data is None

    def check_split(self, data: TrainingData) -> None:
        """Raises a ValueError if `validation_split` cannot part the data."""
        if not self.splits:
            return
        if not data.has_rows:
            raise ValueError(
                "validation_split parts arrays, but x is a stream. Pass another stream as "
                "validation_data."
            )
        n, n_all = data.n_training_rows(self.validation_split), len(data.x)
        if not 0 < n < n_all:
            raise ValueError(
                f"validation_split={self.validation_split} leaves {n} of {n_all} samples to train "
                f"on and {n_all - n} to validate on. Give more data or another split."
            )

    def check_balance(self, data: TrainingData) -> None:
        """Raises a ValueError if batches cannot have `labelled_per_batch` rows with labels."""
        n = self.labelled_per_batch
        if n is None:
            return
        if "labels" not in data.beside or not data.in_memory:
            raise ValueError(
                "labelled_per_batch needs labels and x as arrays in memory: a stream chooses its "
                "batches itself."
            )
        if not (data.beside["labels"][: data.n_training_rows(self.validation_split)] >= 0).any():
            raise ValueError(
                "validation_split takes the last rows, which leaves no labelled ones to train on: "
                "shuffle x and labels together before."
            )
        if n >= self.rows_per_step:
            raise ValueError(
                f"labelled_per_batch={n} leaves no rows without labels in batches of "
                f"{self.rows_per_step}. Take fewer, or a larger batch_size."
            )
        if self.shuffle is not True or self.steps_per_epoch is not None:
            raise ValueError("labelled_per_batch goes with shuffle=True and no steps_per_epoch.")

    def for_keras(self, **changed) -> dict:
        """Returns the arguments of `keras.Model.fit`, some changed."""
        arguments = {field.name: getattr(self, field.name) for field in fields(self)}
        del arguments["labelled_per_batch"]  # which Keras has not
        return arguments | changed


def refuse_class_weight(class_weight) -> None:
    """Raises a ValueError if there are weights of classes."""
    if class_weight is not None:
        raise ValueError(
            "A VAE has no classes to weigh. Weigh the samples: "
            "sample_weight=np.array([class_weight[label] for label in labels])."
        )
