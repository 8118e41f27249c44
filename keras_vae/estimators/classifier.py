"""VAEClassifier: learns classes from few labels and many rows."""

import warnings
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from keras_vae.conditions import OneHot
from keras_vae.estimators.base import VAEEstimator, in_full_batches
from keras_vae.objectives import SemiSupervised


class VAEClassifier(ClassifierMixin, VAEEstimator):
    """Classifies rows, of which few have a label, by the M2 model of Kingma et al.

    In `fit(X, y)` the label of a row is unknown where y is -1, NaN or `None`. Where y holds
    nothing but -1 and 1 these are two classes, and a warning says so. Where all labels are known
    it is a classifier as any other.

    Args:
        latent_dim: the number of latent dimensions, besides the class.
        alpha: α, the weight of the classifier's cross-entropy on labelled rows.
        beta: β, the weight of the KL of the code.
        labelled_per_batch: how many rows of a batch have a label; `"auto"` makes it half a
            batch where labels are rarer than that, `None` leaves it to chance.
        hidden_units: width of each layer of the encoder; the decoder has them in reverse.
        likelihood: of a feature given code and class, a name or object of
            `keras_vae.likelihoods`.
        sigma: σ of `likelihood="gaussian"`: a number, `"learned"` (one for all features) or
            another choice of `keras_vae.likelihoods.Gaussian` but `"optimal"`.
        epochs: how often the data is gone through, at most.
        batch_size: rows per training step.
        learning_rate: of Adam.
        validation_fraction: the share of rows that early stopping is judged by.
        patience: epochs without a better loss of these rows until training stops, with the best
            weights; `None` trains on all rows for all epochs.
        random_state: makes fits repeatable: a number, a `RandomState` or `None`.
        verbose: 1 shows a progress bar, as for `keras.Model.fit`.

    Attributes:
        vae_: the trained `VAE`, whose condition is the class by its place in `classes_`.
        classes_: the labels, sorted.
        n_iter_: the number of epochs trained.
        history_: the logs of each epoch, a dict of lists.
        n_features_in_: the number of columns of X.
        feature_names_in_: their names, where X is a frame.

    Reference:
        Kingma et al., "Semi-supervised learning with deep generative models", 2014.

    Example:
        >>> y = np.where(is_labelled, y, -1)
        >>> classes = VAEClassifier(random_state=0).fit(X, y).predict(X_new)
    """

    def __init__(
        self,
        latent_dim: int = 8,
        *,
        alpha: float = 10.0,
        beta: float = 1.0,
        labelled_per_batch: int | str | None = "auto",
        hidden_units: tuple[int, ...] = (128, 128),
        likelihood: Any = "gaussian",
        sigma: float | str = "learned",
        epochs: int = 50,
        batch_size: int = 128,
        learning_rate: float = 3e-3,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.latent_dim = latent_dim
        self.alpha = alpha
        self.beta = beta
        self.labelled_per_batch = labelled_per_batch
        self.hidden_units = hidden_units
        self.likelihood = likelihood
        self.sigma = sigma
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y) -> Self:  # noqa: N803
        """Trains a VAE on X and the labels that are known.

        Args:
            X: data, `(n, n_features)`, without missing values.
            y: the classes, `(n,)`, numbers or strings; -1, NaN or `None` where unknown.

        Raises:
            ValueError: if X is no finite table, y has fewer than two classes or is continuous,
                or an argument is out of its range.
        """
        if y is None:
            raise ValueError("VAEClassifier requires y to be passed, but the target y is None.")
        X = self._checked(X, fit=True)  # noqa: N806
        self.classes_, labels = _read_labels(y)
        check_consistent_length(X, labels)
        if len(self.classes_) < 2:
            raise ValueError(
                f"VAEClassifier needs labels of two classes or more; y has {len(self.classes_)} "
                f"class{'' if len(self.classes_) else 'es'}, besides rows of unknown label."
            )
        n = len(self.classes_)
        self._fit_vae(
            X,
            labels=labels,
            labelled_per_batch=self._per_batch(labels),
            condition=OneHot(n),
            objective=SemiSupervised(self.alpha, beta=self.beta),
        )
        return self

    def _per_batch(self, labels):
        if self.labelled_per_batch != "auto":
            return self.labelled_per_batch
        half = min(self.batch_size, len(labels)) // 2
        return half if half > 0 and np.mean(labels >= 0) < 0.5 else None

    def predict_proba(self, X) -> np.ndarray:  # noqa: N803
        """Returns the probabilities of `classes_`, `(n, n_classes)`."""
        X = self._checked(X)  # noqa: N806
        p = in_full_batches(self.vae_.classify, X).astype("float64")
        return p / p.sum(axis=1, keepdims=True)

    def predict(self, X) -> np.ndarray:  # noqa: N803
        """Returns the likeliest class of each row, `(n,)`."""
        p = self.predict_proba(X)
        return self.classes_[p.argmax(axis=1)]


def _read_labels(y):
    """Returns the classes, sorted, and the place of each row's among them, -1 where unknown."""
    if type(y).__module__.startswith("pandas."):
        y = y.to_numpy(dtype=object, na_value=None)
    y = column_or_1d(y, warn=True)
    known = np.array([label is not None and label == label for label in y.tolist()], bool)
    values = np.array(y[known].tolist())
    numbers = values.dtype.kind in "iuf"
    if numbers and not np.isfinite(values).all():
        raise ValueError("y contains infinity; unknown labels are -1, NaN or None.")
    if numbers and set(np.unique(values).tolist()) == {-1, 1}:
        warnings.warn(
            "y holds -1 and 1 alone, which are taken for two classes. If -1 is to be unknown, give "
            "the other classes other numbers.",
            stacklevel=3,
        )
    elif numbers:
        known[known], values = values != -1, values[values != -1]
    if len(values):
        check_classification_targets(values)
    classes, places = np.unique(values, return_inverse=True)
    labels = np.full(len(y), -1, "int32")
    labels[known] = places
    return classes, labels
