"""VAEImputer: fills missing values."""

from typing import Any, Self

import numpy as np
from sklearn.base import OneToOneFeatureMixin, TransformerMixin

from keras_vae.estimators.base import VAEEstimator
from keras_vae.likelihoods import Masked
from keras_vae.objectives import IWAE


class VAEImputer(OneToOneFeatureMixin, TransformerMixin, VAEEstimator):
    """Fills missing values (NaN) of a table with E[x_m | x_o], what a VAE makes of the rest.

    It trains on the table with its holes, by the bound of importance weighting over what was
    observed, and fills by importance sampling: see `keras_vae.evaluation.impute`, which also
    draws several imputations from `vae_`. Columns should be of one scale: a `StandardScaler`
    before it leaves NaN as it is.

    Args:
        latent_dim: the number of latent dimensions.
        n_samples: draws of the code by which a row is filled.
        n_training_samples: draws of the code per row of a training step, K of the bound.
        hidden_units: width of each layer of the encoder; the decoder has them in reverse.
        likelihood: of a feature given the code, a name or object of `keras_vae.likelihoods`.
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

    Reference:
        Mattei & Frellsen, "MIWAE: deep generative modelling and imputation of incomplete data
        sets", 2019.

    Example:
        >>> filled = VAEImputer(random_state=0).fit_transform(X)
    """

    def __init__(
        self,
        latent_dim: int = 8,
        *,
        n_samples: int = 1000,
        n_training_samples: int = 20,
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
        self.n_samples = n_samples
        self.n_training_samples = n_training_samples
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
        """Trains a VAE on what was observed of X.

        Args:
            X: data, `(n, n_features)`, NaN where missing.
            y: nothing; pipelines pass it.

        Raises:
            ValueError: if a column was never observed, X is no table, or an argument is out of
                its range.
        """
        X = self._checked(X, fit=True, ensure_all_finite="allow-nan")  # noqa: N806
        never = np.flatnonzero(np.isnan(X).all(axis=0))
        if len(never):
            names = self.get_feature_names_out()[never]
            raise ValueError(
                f"No value of {', '.join(names)} was observed, so that there is nothing to learn "
                "from how to fill it. Leave such columns out."
            )
        likelihood = Masked(self._new_likelihood())
        self._fit_vae(X, likelihood=likelihood, objective=IWAE(self.n_training_samples))
        return self

    def transform(self, X) -> np.ndarray:  # noqa: N803
        """Returns X with its holes filled, `(n, n_features)`; observed values are left as they are.

        The draws are the same in each call. Those of a row depend on its place among the rows
        with holes.
        """
        X = self._checked(X, ensure_all_finite="allow-nan")  # noqa: N806
        missing = np.isnan(X)
        rows = missing.any(axis=1)
        filled = X.copy()
        if rows.any():
            # With a row that is whole, as there may be nothing but empty ones.
            holes = np.vstack([X[rows], np.zeros_like(X[:1])])
            values = self.vae_.impute(holes, n_samples=self.n_samples)[:-1]
            filled[missing] = values[missing[rows]]
        return filled

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
