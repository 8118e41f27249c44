"""Classifier: a classifier's loss beside any bound."""

import math

import keras
from keras import ops

from keras_vae.conditions import Categories, OneHot
from keras_vae.objectives.classifying import Classifying, mean_over_labelled
from keras_vae.objectives.forward import Forward
from keras_vae.objectives.loss_weight import Weight
from keras_vae.objectives.penalty import Penalty
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor


@serializable()
class Classifier(Classifying, Penalty):
    """strength·CE, the mean cross-entropy of a classifier of z over the labelled rows.

    It is logged as `classification_loss`. The gradient reaches the encoder, so that codes
    come to tell the classes.

    Args:
        categories: how many classes there are, or their names.
        strength: the weight, a number or a schedule.
        classifier: a layer from codes, flattened, to logits; `None` makes one dense layer.
        names: names of the classes, where `categories` is a number; learned from labels that
            are strings by default.
        name: put before the names in the logs.

    Raises:
        ValueError: if the weight is negative or not finite.

    Reference:
        Kingma et al., "Semi-supervised learning with deep generative models", 2014, section
        2.1, of which this trains both at once; Xu et al., "Probabilistic harmonization and
        annotation of single-cell transcriptomics data" (scANVI), 2021.

    Example:
        >>> vae = VAE(encoder, decoder, objective=ELBO() + Classifier(10, strength=50.0))
        >>> vae.fit(images, labels=digits)  # -1 where unknown
    """

    public_name = None  # the number of classes must be said
    term_names = ("classification_loss",)
    takes_grids = True
    classifies_codes = True

    def __init__(
        self,
        categories,
        strength: Weight = 1.0,
        classifier: keras.layers.Layer | None = None,
        names: list | None = None,
        name: str | None = None,
    ):
        super().__init__(strength, name)
        self.classes = OneHot(categories, names)
        self.classifier = classifier
        if classifier is None:
            self.default_classifier = keras.layers.Dense(self.classes.n, dtype="float32")

    @property
    def categories(self) -> int:
        """How many classes there are."""
        return self.classes.n

    @property
    def names(self) -> list | None:
        """The names of the classes, where they have some."""
        return None if self.classes.names is None else list(self.classes.names)

    def own_classes(self, condition) -> Categories:
        return self.classes

    def build(self, x_shape, z_shape) -> None:
        self.build_classifier((None, math.prod(z_shape[1:])), self.categories)

    def class_logits(self, x, code, training) -> Tensor:
        return self.logits_of(ops.reshape(code, (-1, math.prod(code.shape[1:]))), training)

    def terms(self, forward: Forward) -> dict:
        if forward.labels is None:
            zeros = ops.zeros_like(forward.sample_weight)
            return {"loss": zeros, "classification_loss": zeros}
        codes = ops.reshape(forward.z, (-1, math.prod(forward.posterior.event_shape)))
        log_q = ops.log_softmax(self.logits_of(codes, forward.training))
        # Of several draws the mean, the rows of each standing one behind the other.
        n_rows = ops.shape(forward.sample_weight)[0]
        log_q = ops.mean(ops.reshape(log_q, (-1, n_rows, self.categories)), axis=0)
        term = mean_over_labelled(log_q, forward.labels, forward.sample_weight)
        return {"loss": self.strength * term, "classification_loss": term}
