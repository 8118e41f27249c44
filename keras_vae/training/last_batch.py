"""Where the last batch of an epoch is filled up with rows of weight zero.

JAX compiles each size of a batch, for 1 to 2 s and 5 MB, and then has one size only.
"""

import keras
import numpy as np

from keras_vae import backend, encoders
from keras_vae.backend import keras_internals
from keras_vae.likelihoods import FromFunction
from keras_vae.reading.batch import Batch
from keras_vae.training.data import TrainingData

_FOLDERS = (
    "keras_vae.",
    keras_internals.MODELS,
    *(
        f"{keras_internals.LAYERS}{name}."
        for name in ("core", "convolutional", "pooling", "reshaping", "merging", "activations",
                     "normalization", "regularization", "attention")
    ),
)  # fmt: skip
_MAY_MIX_ROWS = (
    keras.layers.Lambda,
    keras.layers.ActivityRegularization,
    keras.layers.EinsumDense,
    FromFunction,
)


def is_filled(vae: keras.Model) -> bool:
    """Returns whether that helps and changes nothing at all of a step, its noise included.

    That needs all that is computed before the mean over the batch to be computed row by row.
    It is so of the parts known here; of others nobody knows.
    """
    parts = [vae.encoder, vae.decoder, vae.likelihood, vae.prior]
    parts += [] if vae.condition is None else [vae.condition]
    layers = [layer for part in parts for layer in keras_internals.flatten_layers(part)]
    return (
        backend.COMPILES_EACH_SHAPE
        and backend.noise_is_by_element()
        and type(vae).__module__ == "keras_vae.model.vae"
        and all(map(_says_by_row, vae.objective.parts()))
        and vae.regularizer is None
        # Metrics count all rows alike.
        and not keras_internals.has_compiled_metrics(vae)
        and all(map(_computes_by_row, layers))
        and not (_has_draws(vae) and _has_noise(vae.decoder))
    )


def _says_by_row(part):
    # Its class itself: one that follows from it may mix rows.
    return "computes_by_row" in vars(type(part)) and part.computes_by_row


def _has_draws(vae):
    counts = (vae.objective.n_draws, encoders.get(vae.encoder).n_samples)
    return any(n is not None for n in counts)


def _has_noise(decoder):
    # It takes all rows of a draw before those of the next.
    return any(map(keras_internals.seed_generators, keras_internals.flatten_layers(decoder)))


def _computes_by_row(layer):
    activation = getattr(layer, "activation", None)
    return (
        type(layer).__module__.startswith(_FOLDERS)
        and not isinstance(layer, _MAY_MIX_ROWS)
        # Such as the statistics of batches.
        and not layer.non_trainable_weights
        and layer.activity_regularizer is None
        and getattr(activation, "__module__", "keras.").startswith("keras.")
        # Operations of a functional model that are no layers.
        and all(isinstance(x, keras.layers.Layer) for x in getattr(layer, "operations", ()))
    )


def with_row_of_weight_zero(data: TrainingData) -> dict:
    """Returns all rows by name, whose row `len(x)` is the last of each, of weight zero."""
    x, weights = data.x, data.sample_weight
    weights = np.ones(len(x), "float32") if weights is None else backend.as_floatx(weights)
    target = x if data.y is None else data.y
    weights = np.concatenate([weights, np.zeros_like(weights[:1])])
    return Batch(x, target, weights, data.beside).by_name()
