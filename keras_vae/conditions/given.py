"""Given: what a condition gives to the parts of a VAE, for one batch."""

from dataclasses import dataclass
from typing import Any, Self

from keras import ops

from keras_vae.typing import Tensor

_NAMES = {
    "vector": "condition_vector",
    "log_exposure": "log_exposure",
    "log_typical": "log_typical",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """What is given where a VAE encodes and decodes; nothing, without a condition.

    Attributes:
        vector: e(c), `(batch, size)`, which joins the features and the codes.
        log_exposure: log of what the means of counts are to be multiplied by, `(batch,)`.
        log_typical: its mean over the data, a scalar.
        shares: whether the means before that are shares, which sum to 1.
    """

    vector: Any = None
    log_exposure: Any = None
    log_typical: Any = None
    shares: bool = False

    @property
    def size(self) -> int:
        """How many numbers join."""
        return 0 if self.vector is None else self.vector.shape[-1]

    def joined(self, values) -> Tensor:
        """Returns values, `(batch, ..., n)`, with the vector behind them on the last axis."""
        if self.vector is None:
            return values
        vector, between = self.vector, values.shape[1:-1]
        if between or vector.shape[0] is None or vector.shape[0] != values.shape[0]:
            vector = ops.reshape(vector, (-1, *[1] * len(between), self.size))
            vector = ops.broadcast_to(vector, (ops.shape(values)[0], *between, self.size))
        return ops.concatenate([values, ops.cast(vector, values.dtype)], axis=-1)

    def repeated(self, n) -> Self:
        """Returns it for n batches, one behind the other."""
        if n == 1:
            return self
        changed = {}
        for name in ("vector", "log_exposure"):
            value = getattr(self, name)
            if value is not None:
                changed[name] = tiled(value, n)
        return type(self)(**{**vars(self), **changed})

    def as_outputs(self) -> dict[str, Tensor]:
        """Returns its tensors by name, as they travel among the outputs of a step."""
        named = ((name, getattr(self, field)) for field, name in _NAMES.items())
        return {name: value for name, value in named if value is not None}

    @classmethod
    def of_outputs(cls, outputs: dict, shares: bool) -> Self:
        """Returns what `as_outputs` gave."""
        return cls(shares=shares, **{field: outputs.get(name) for field, name in _NAMES.items()})


NOTHING = Given()


def tiled(values, n: int) -> Tensor:
    """Returns a batch n times, one behind the other."""
    return values if n == 1 else ops.tile(values, (n, *[1] * (len(values.shape) - 1)))
