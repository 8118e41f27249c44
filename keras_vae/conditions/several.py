"""Several: conditions by name."""

import copy
from collections.abc import Mapping
from typing import Self

import keras
import numpy as np
from keras import ops

from keras_vae.conditions.base import Condition
from keras_vae.conditions.given import Given
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor

_TAKEN = ("x", "y", "z", "n", "seed", "labels", "sample_weight", "condition")


@serializable()
class Several(Condition):
    """e(c): the vectors of several conditions by name, joined; `VAE(condition={...})` for short.

    Args:
        conditions: conditions by name.

    Raises:
        ValueError: if there are none, a name is taken, or two give an exposure.

    Example:
        >>> vae = VAE(encoder, decoder, condition={"digit": OneHot(10), "angle": Continuous(1)})
        >>> vae.fit(x, condition={"digit": digits, "angle": angles})
    """

    def __init__(self, conditions: dict[str, Condition], **kwargs):
        super().__init__(**kwargs)
        taken = [name for name in conditions if name in _TAKEN]
        if not conditions or taken:
            raise ValueError(
                f"Several conditions have names, none of {', '.join(_TAKEN)}; received "
                f"{list(conditions)}."
            )
        if sum(part.gives_exposure for part in conditions.values()) > 1:
            raise ValueError("Two conditions say by what the means are multiplied: leave one out.")
        # A list, as torch.export brings the dicts of a model into the order of the alphabet.
        self.part_names, self.parts = tuple(conditions), list(conditions.values())
        self.gives_exposure = any(part.gives_exposure for part in conditions.values())
        self.shares = any(part.shares for part in conditions.values())

    def by_name(self) -> dict[str, Condition]:
        return dict(zip(self.part_names, self.parts, strict=True))

    @property
    def size(self) -> int | None:  # type: ignore[override]  # others have a plain attribute
        sizes = [part.size for part in self.parts]
        return None if None in sizes else sum(sizes)

    def build(self, input_shape) -> None:
        for name, part in self.by_name().items():
            if not part.built:
                part.build(tuple(input_shape[name]))

    def _with_values(self, values):
        values = {} if values is None else values
        if not isinstance(values, Mapping) or values.keys() - set(self.part_names):
            found = list(values) if isinstance(values, Mapping) else type(values).__name__
            raise ValueError(
                f"The model has the conditions {', '.join(self.part_names)}: pass condition as a "
                f"dict of them; received {found}."
            )
        return [(name, part, values.get(name)) for name, part in self.by_name().items()]

    def as_tree(self, rows) -> dict:
        return {name: rows[name] for name in self.part_names}

    def shapes(self) -> dict:
        return {name: part.shapes() for name, part in self.by_name().items()}

    def look_at(self, rows) -> None:
        raise NotImplementedError("Each of the conditions looks at its own.")

    def read_rows(self, name, values) -> np.ndarray:
        raise NotImplementedError("Each of the conditions reads its own.")

    def embed(self, rows) -> Tensor:
        raise NotImplementedError("Each of the conditions embeds its own.")

    def given(self, rows, training: bool = False) -> Given:
        found = [part.given(rows[name], training) for name, part in self.by_name().items()]
        vectors = [given.vector for given in found if given.vector is not None]
        exposed = [given for given in found if given.log_exposure is not None]
        return Given(
            vector=ops.concatenate(vectors, axis=-1) if vectors else None,
            log_exposure=exposed[0].log_exposure if exposed else None,
            log_typical=exposed[0].log_typical if exposed else None,
            shares=self.shares,
        )

    def get_config(self) -> dict:
        config = super().get_config()
        for name in ("unknown", "seed"):
            config.pop(name)
        parts = self.by_name().items()
        return config | {
            "conditions": {n: keras.saving.serialize_keras_object(part) for n, part in parts}
        }

    @classmethod
    def from_config(cls, config) -> Self:
        parts = copy.deepcopy(config["conditions"])
        parts = {n: keras.saving.deserialize_keras_object(part) for n, part in parts.items()}
        return cls(**{**config, "conditions": parts})
