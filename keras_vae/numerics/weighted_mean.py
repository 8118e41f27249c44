"""The mean over the batch by sample weight."""

from keras import ops

from keras_vae.typing import Tensor
from keras_vae.validation.shapes import matches


def weighted_mean(name: str, term, weights) -> Tensor:
    """Returns Σ w·term / Σ w, so that a sample of weight zero counts for nothing.

    Args:
        name: what the term is called in errors.
        term: one value per sample, shape `(batch,)`, or a scalar, returned as it is.
        weights: shape `(batch,)`.

    Raises:
        ValueError: if the term has any other shape.
    """
    term = ops.convert_to_tensor(term, "float32")
    if len(term.shape) == 0:
        return term
    if not matches(term.shape, weights.shape):
        raise ValueError(
            f"{name} must hold one value per sample, shape (batch,) = {tuple(weights.shape)}; it "
            f"has shape {tuple(term.shape)}. Sum over features or latent dimensions."
        )
    # 0 · inf is NaN: a row that overflows counts for nothing either.
    total = ops.sum(ops.where(weights > 0.0, weights * term, 0.0))
    return total / ops.maximum(ops.sum(weights), 1e-12)
