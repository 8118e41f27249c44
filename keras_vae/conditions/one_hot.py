"""OneHot: a category as a vector of zeros and a one."""

import numpy as np
from keras import ops

from keras_vae.conditions.categories import Categories
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


@serializable()
class OneHot(Categories):
    """e(c) = (0, ..., 1, ..., 0), a one at the place of the category.

    Args:
        categories: how many there are, or their names, a list of strings or integers.
        names: the names, where `categories` is a number; learned from strings by default.
        unknown: how often training takes c for unknown; `None` where all rows are known.
        seed: of which rows are taken for unknown.

    Reference:
        Sohn et al., "Learning structured output representation using deep conditional
        generative models", 2015, section 4; Kingma et al., "Semi-supervised learning
        with deep generative models", 2014, section 2.

    Example:
        >>> vae = VAE(encoder, decoder, condition=OneHot(10))
        >>> vae.fit(images, condition=digits)
        >>> threes = vae.sample(16, condition=3)
    """

    @property
    def size(self) -> int:  # type: ignore[override]  # others have a plain attribute
        return self.n

    def embed(self, rows) -> Tensor:
        # Not `ops.one_hot`, which torch refuses out of range, nor a cast of what is true or
        # false: int8 files lose the zeros of both.
        places = ops.convert_to_tensor(np.arange(self.n, dtype="int32"))
        found = ops.equal(ops.expand_dims(rows, -1), places)
        # NaN for numbers of no category, which a stream may hold.
        inside = ops.any(found, axis=-1, keepdims=True)
        vectors = ops.where(found, np.float32(1.0), np.float32(0.0))
        return ops.where(inside, vectors, np.float32(np.nan))
