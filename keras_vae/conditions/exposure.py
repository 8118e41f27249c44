"""Exposure and SizeFactor: how long, or how deep, counts were counted."""

import numpy as np
from keras import ops

from keras_vae.conditions.base import Condition
from keras_vae.conditions.given import Given
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


@serializable()
class Exposure(Condition):
    """The mean of counts is exp(params)·t, of the exposure t: hours, area, copies.

    It reaches the likelihood, which must be one of counts, and the encoder, for which x
    is divided by t where x is the target, so that codes do not tell the exposure.

    Example:
        >>> vae = VAE(encoder, decoder, "poisson", condition=Exposure())
        >>> vae.fit(counts, condition=hours)
    """

    size = 0
    row_shape = ()
    gives_exposure = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        if self.unknown is not None:
            raise ValueError(f"A {type(self).__name__} must be known of each row.")

    def build(self, input_shape) -> None:
        self.log_typical = self.add_weight((), "zeros", trainable=False, name="log_typical")
        self.has_seen = self.add_weight((), "zeros", trainable=False, name="has_seen")

    def read_rows(self, name, values) -> np.ndarray:
        rows = values.astype("float32")
        if rows.shape not in ((len(rows),), (len(rows), 1)):
            raise ValueError(f"{name} must hold one number for each row; received {rows.shape}.")
        if not (np.isfinite(rows).all() and (rows > 0).all()):
            raise ValueError(
                f"{name} must be positive and finite, as the means of counts are multiplied by it; "
                f"it has {rows[~(np.isfinite(rows) & (rows > 0))][0]:.6g}. Leave such rows out."
            )
        return rows.reshape(-1)

    def look_at(self, rows) -> None:
        if not ops.convert_to_numpy(self.has_seen):
            self.log_typical.assign(np.log(rows.astype("float64")).mean())
            self.has_seen.assign(1.0)

    def examples(self, rng, n) -> np.ndarray:
        return rng.uniform(0.5, 2.0, size=n).astype("float32")

    def embed(self, rows) -> Tensor:
        return ops.log(rows)

    def given(self, rows, training: bool = False) -> Given:
        return Given(
            log_exposure=self(rows),
            log_typical=ops.convert_to_tensor(self.log_typical),
            shares=self.shares,
        )


@serializable()
class SizeFactor(Exposure):
    """The means of counts are shares, softmax(params), times the size s: they sum to s.

    As of sequencing, where s is the total count of a cell, `x.sum(axis=1)`.

    Reference:
        Lopez et al., "Deep generative modeling for single-cell transcriptomics"
        (scVI), 2018, methods.

    Example:
        >>> vae = VAE(encoder, decoder, "negative_binomial", condition=SizeFactor())
        >>> vae.fit(counts, condition=counts.sum(axis=1))
    """

    shares = True
