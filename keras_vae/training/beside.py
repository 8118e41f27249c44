"""Beside: reads what is given to a model beside x, its condition and labels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from keras_vae.conditions import Categories, Condition
from keras_vae.reading.batch import flat, with_beside


class Rows(dict):
    """Rows of a condition that were read before, by name."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Reads what is given to a model beside x, its condition and labels.

    Attributes:
        condition: the model's condition, `None` where it has none.
        classes: the classes that labels are of, `None` where the model takes no labels.
        is_labelled: whether the labels stand for the condition, so that it is not to be given.
        is_guessed: whether the model guesses the condition where it is not given.
    """

    condition: Condition | None = None
    classes: Categories | None = None
    is_labelled: bool = False
    is_guessed: bool = False

    def read(
        self, beside: Mapping, n: int | None, learn: bool = False, as_rows: bool = False
    ) -> dict[str, np.ndarray]:
        """Returns the rows of what a user passes, by the names of conditions and `labels`.

        Args:
            beside: the values by name, `condition` and `labels`.
            n: how many rows there are of x.
            learn: whether these are data to train on.
            as_rows: whether they are rows already, as of a stream.

        Raises:
            ValueError: if the model takes none of it, lacks it, or cannot read it.
        """
        beside = {name: values for name, values in beside.items() if values is not None}
        if isinstance(beside.get("condition"), Rows):
            return dict(beside["condition"])
        rows: dict[str, np.ndarray] = {}
        if self.condition is None and "condition" in beside:
            raise ValueError(
                "The model takes no condition. Make it with one, for example "
                "VAE(encoder, decoder, condition=keras_vae.conditions.OneHot(10))."
            )
        if self.is_labelled and "condition" in beside:
            raise ValueError(
                "The labels stand for the condition, which the objective goes through: pass "
                "labels=..., -1 where they are unknown, and no condition."
            )
        may_lack = self.is_labelled or self.is_guessed
        if self.condition is not None and not (may_lack and "condition" not in beside):
            rows |= self.condition.read(beside.get("condition"), n, learn, as_rows)
        return rows | self._labels(beside, n, learn, as_rows)

    def _labels(self, beside, n, learn, as_rows):
        labels = beside.get("labels")
        if self.classes is None:
            if labels is not None:
                raise ValueError(
                    "The model has nothing to learn from labels. Give it an objective that has: "
                    "keras_vae.objectives.SemiSupervised(), or a bound + "
                    "keras_vae.objectives.Classifier(10). As a condition they are passed as such."
                )
            return {}
        if labels is None:
            if not learn:
                return {}
            raise ValueError("The model learns from labels: pass labels=..., -1 for unknown ones.")
        rows = self.classes.read_labels(labels, n, learn, as_rows)
        if learn and not (rows >= 0).any():
            raise ValueError("All labels are unknown, so that there is no class to learn.")
        return {"labels": rows}

    def check(self, beside: Mapping, n: int, learn: bool) -> None:
        """Raises a ValueError if the rows of a stream's first batch are none that `read` gives."""
        unread = dict(with_beside(None, beside)) if beside else {}
        if (
            flat(self.read({k: v for k, v in unread.items() if k != "x"}, n, learn, True)).keys()
            != beside.keys()
        ):
            lacking = self.condition.by_name().keys() - beside.keys() if self.condition else set()
            raise ValueError(
                f"A batch of the stream lacks {', '.join(sorted(lacking))}: a stream gives all "
                'conditions, {"x": ..., "condition": ...}, -1 or NaN where one is unknown.'
            )

    def look_at(self, beside: Mapping) -> None:
        """Shows the conditions the rows of the training data."""
        for name, part in (self.condition.by_name() if self.condition else {}).items():
            if name in beside:
                part.look_at(np.asarray(beside[name], part.row_dtype).reshape(-1, *part.row_shape))
