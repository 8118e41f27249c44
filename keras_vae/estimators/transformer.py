"""VAETransformer: codes of a VAE as features."""

from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from keras_vae.estimators.base import VAEEstimator, in_full_batches
from keras_vae.evaluation.anomaly_detector import AnomalyDetector


class VAETransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, VAEEstimator):
    """Reduces the dimension of a table: `transform` gives the posterior means of a VAE.

    Columns should be of one scale: put a `StandardScaler` before it in a pipeline.

    Args:
        latent_dim: the number of features that `transform` gives.
        beta: β, the weight of the KL.
        hidden_units: width of each layer of the encoder; the decoder has them in reverse.
        likelihood: of a feature given its code, a name or object of `keras_vae.likelihoods`.
        sigma: σ of `likelihood="gaussian"`: a number, `"optimal"` (one for all features, that of
            the errors) or another choice of `keras_vae.likelihoods.Gaussian`.
        epochs: how often the data is gone through, at most.
        batch_size: rows per training step.
        learning_rate: of Adam.
        validation_fraction: the share of rows that early stopping is judged by.
        patience: epochs without a better loss of these rows until training stops, with the best
            weights; `None` trains on all rows for all epochs.
        random_state: makes fits repeatable: a number, a `RandomState` or `None`.
        verbose: 1 shows a progress bar, as for `keras.Model.fit`.

    Attributes:
        vae_: the trained `VAE`.
        n_iter_: the number of epochs trained.
        history_: the logs of each epoch, a dict of lists.
        n_features_in_: the number of columns of X.
        feature_names_in_: their names, where X is a frame.

    Example:
        >>> steps = StandardScaler(), VAETransformer(latent_dim=4), LogisticRegression()
        >>> pipeline = make_pipeline(*steps).fit(X, y)
    """

    def __init__(
        self,
        latent_dim: int = 8,
        *,
        beta: float = 1.0,
        hidden_units: tuple[int, ...] = (128, 128),
        likelihood: Any = "gaussian",
        sigma: float | str = "optimal",
        epochs: int = 50,
        batch_size: int = 128,
        learning_rate: float = 3e-3,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.latent_dim = latent_dim
        self.beta = beta
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

    def fit(self, X, y=None) -> Self:  # noqa: N803
        """Trains a VAE on X.

        Args:
            X: data, `(n, n_features)`, without missing values.
            y: nothing; pipelines pass it.

        Raises:
            ValueError: if X is no finite table, or an argument is out of its range.
        """
        self._fit_vae(self._checked(X, fit=True), beta=self.beta)
        return self

    def transform(self, X) -> np.ndarray:  # noqa: N803
        """Returns the posterior means of X, `(n, latent_dim)`."""
        X = self._checked(X)  # noqa: N806
        return in_full_batches(self.vae_.encode, X).astype(X.dtype)

    def inverse_transform(self, X) -> np.ndarray:  # noqa: N803
        """Returns the means of p(x|z) at the codes X, `(n, latent_dim)`, as `(n, n_features)`."""
        check_is_fitted(self)
        z = check_array(X, dtype=(np.float64, np.float32), input_name="X")
        if z.shape[1] != self.vae_.latent_dim:
            raise ValueError(
                f"X has {z.shape[1]} columns, but inverse_transform takes codes of "
                f"{self.vae_.latent_dim}, as transform gives them."
            )
        return in_full_batches(self.vae_.decode, z).astype(z.dtype)

    def score_samples(self, X) -> np.ndarray:  # noqa: N803
        """Returns the ELBO of each row, `(n,)`, in nats: E_q[log p(x|z)] - KL(q(z|x) ‖ p(z)).

        The expectation is the mean over 100 draws, of the same noise for all rows and calls.
        """
        return in_full_batches(self._elbo, self._checked(X)).astype("float64")

    def score(self, X, y=None) -> float:  # noqa: N803
        """Returns the mean ELBO of the rows of X, in nats, whatever β: higher is better."""
        return float(np.mean(self.score_samples(X)))

    def _elbo(self, x):
        detector = AnomalyDetector(self.vae_, "reconstruction_probability")
        posterior = self.vae_.encode_distribution(x)
        mean, std = posterior.z_mean, posterior.z_std
        kl = 0.5 * np.sum(mean**2 + std**2 - 1.0 - 2.0 * np.log(std), axis=1)
        return -detector.score(x) - kl

    @property
    def _n_features_out(self):
        return self.vae_.latent_dim

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
