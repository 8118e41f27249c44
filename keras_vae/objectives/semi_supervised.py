"""SemiSupervised: learning from few labels, the M2 model of Kingma et al."""

import math
from typing import Any

import keras
from keras import ops

from keras_vae.conditions import Categories
from keras_vae.networks.stack import Stack
from keras_vae.objectives.base import Objective
from keras_vae.objectives.classifying import Classifying, mean_over_labelled, one_hot
from keras_vae.objectives.forward import Forward
from keras_vae.objectives.loss_weight import LossWeight, Weight
from keras_vae.saving.registry import serializable
from keras_vae.typing import Tensor
from keras_vae.validation.arguments import check_count


@serializable()
class SemiSupervised(Classifying, Objective):
    """loss = E_y[-E[log p(x|y, z)] + β·KL(q(z|x, y) ‖ p(z))] + KL(q(y|x) ‖ p(y)) + α·CE.

    The class y is the VAE's condition, and p(y) = 1/K. Of a row of known class the
    expectation is that class, and the KL of y is log K; of others all classes are gone
    through, weighed by the classifier q(y|x): their term is -ELBO of log p(x). CE is the mean
    cross-entropy of the classifier over the batch's labelled rows, whatever their number,
    logged as `classification_loss`. `kl_loss` holds both KLs.

    A step decodes each row K times.

    Args:
        alpha: α, the weight of the classifier's loss: 0.1·N for the sum over N rows of
            the paper's equation 9.
        classifier: q(y|x), a layer from x to logits `(batch, K)`. `None` makes two dense
            layers of 256.
        beta: β, the weight of the KL of z.
        n_classes: K; by default that of the condition.

    Raises:
        ValueError: if the VAE's condition is no category, or has another number of them.

    Reference:
        Kingma et al., "Semi-supervised learning with deep generative models", 2014,
        equations 6 to 9.

    Example:
        >>> vae = VAE(encoder, decoder, condition=OneHot(10), objective=SemiSupervised())
        >>> vae.fit(images, labels=digits, labelled_per_batch=20)  # -1 where unknown
        >>> probabilities = vae.classify(images)
    """

    public_name = None  # it is for a VAE with a condition
    term_names = ("classification_loss",)
    takes_grids = True
    beta = LossWeight()
    alpha = LossWeight()

    def __init__(
        self,
        alpha: Weight = 0.1,
        classifier: keras.layers.Layer | None = None,
        beta: Weight = 1.0,
        n_classes: int | None = None,
    ):
        self.alpha = alpha
        self.beta = beta
        self.classifier = classifier
        self.n_classes: Any = n_classes  # None until the model is made
        if n_classes is not None:
            self._set_n_classes(n_classes)

    def __add__(self, penalty):
        raise ValueError(
            "SemiSupervised takes no penalties, as each row has a code for every class. Add the "
            "penalty to another bound: ELBO() + Classifier(10) + penalty."
        )

    def _set_n_classes(self, n_classes):
        self.n_classes = check_count("n_classes", n_classes)
        if self.classifier is None:
            self.default_classifier = _default(n_classes)

    def check_condition(self, condition) -> None:
        if not isinstance(condition, Categories):
            raise ValueError(
                "SemiSupervised takes the VAE's condition for the class: give it one of "
                "categories, VAE(..., condition=keras_vae.conditions.OneHot(10)). For labels "
                "without a condition take a bound + keras_vae.objectives.Classifier(10)."
            )
        if self.n_classes not in (None, condition.n) or condition.n < 2:
            raise ValueError(
                f"SemiSupervised is for {self.n_classes or 'two or more'} classes, but the VAE's "
                f"condition has {condition.n}."
            )
        if self.n_classes is None:
            self._set_n_classes(condition.n)

    def check_likelihood(self, likelihood) -> None:
        if likelihood.adapts:
            raise ValueError(
                f"SemiSupervised decodes each row once for each class, and a "
                f"{type(likelihood).__name__} follows from one reconstruction of it. Take one that "
                'is learned or fixed, such as Gaussian("learned") or Gaussian(1.0).'
            )

    def own_classes(self, condition) -> Categories:
        return condition

    def build(self, x_shape, z_shape) -> None:
        super().build(x_shape, z_shape)
        self.build_classifier(x_shape, self.n_classes)

    def class_logits(self, x, code, training) -> Tensor:
        return self.logits_of(x, training)

    def terms(self, forward: Forward) -> dict:
        reconstruction = self._by_class(forward.reconstruction_loss())
        kl = self._by_class(forward.kl())
        log_q = ops.log_softmax(self.logits_of(forward.x, forward.training))
        q, labels = ops.exp(log_q), forward.labels
        log_k = math.log(self.n_classes)
        kl_of_class = log_k + ops.sum(q * log_q, axis=-1)
        classification = ops.zeros_like(kl_of_class)
        if labels is not None:
            known = ops.reshape(labels, (-1,)) >= 0
            q = ops.where(ops.expand_dims(known, -1), one_hot(labels, self.n_classes), q)
            kl_of_class = ops.where(known, log_k, kl_of_class)
            classification = mean_over_labelled(log_q, labels, forward.sample_weight)
        reconstruction = ops.sum(q * reconstruction, axis=-1)
        kl = ops.sum(q * kl, axis=-1)
        loss = reconstruction + self.beta * kl + kl_of_class + self.alpha * classification
        return {
            "loss": loss,
            "reconstruction_loss": reconstruction,
            "kl_loss": kl + kl_of_class,
            "classification_loss": classification,
        }

    def _by_class(self, term):
        """Returns a term of all rows of each class, one behind the other, by row and class."""
        return ops.transpose(ops.reshape(term, (self.n_classes, -1)))


def _default(n_classes):
    layers = keras.layers
    hidden = [layers.Dense(256, "relu", dtype="float32") for _ in range(2)]
    flatten = layers.Flatten(dtype="float32")
    return Stack([flatten, *hidden, layers.Dense(n_classes, dtype="float32")], dtype="float32")
